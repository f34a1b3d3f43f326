"""What an image store holds is moved into another, and guests are made of it there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.images.conftest import ZONE_2, Site
from tests.images.test_zones import template
from tests.tenant.test_refusals import refusal
from tests.tenant.world import Place


async def store(here: Place, folder: Path, name: str) -> str:
    ask = {"provider": "NFS", "name": name, "url": folder.as_uri(), "zoneid": str(ZONE_2)}
    return str((await here.admin("addImageStore", **ask))["imagestore"]["id"])


def files(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.rglob("*") if one.is_file())


async def held(here: Place, site: Site, tmp_path: Path) -> tuple[str, str, str]:
    """Two stores of the second zone, and a template whose copy lies in the first."""
    old = await store(here, tmp_path / "old", "old")
    image_id = await template(here, site, tmp_path)
    await here.admin.job("copyTemplate", id=image_id, destzoneid=str(ZONE_2))
    return image_id, old, await store(here, tmp_path / "new", "new")


async def test_a_store_is_emptied_and_goes(here: Place, site: Site, tmp_path: Path) -> None:
    image_id, old, new = await held(here, site, tmp_path)
    content = (tmp_path / "old" / str(ZONE_2) / f"{image_id}.qcow2").read_bytes()
    ask: dict[str, Any] = {"srcpool": old, "destpools": new}
    done = (await here.admin.job("migrateSecondaryStorageData", **ask))["imagestore"]
    assert (done["success"], done["migrationtype"]) == (True, "COMPLETE")
    assert (files(tmp_path / "old"), files(tmp_path / "new")) == ([], [f"{image_id}.qcow2"])
    assert (tmp_path / "new" / str(ZONE_2) / f"{image_id}.qcow2").read_bytes() == content
    await here.admin("deleteImageStore", id=old)
    await here.admin.job("deleteTemplate", id=image_id, zoneid=str(ZONE_2))
    assert files(tmp_path / "new") == [], "it is deleted from where it is now"


async def test_one_image_goes_there_and_back(here: Place, site: Site, tmp_path: Path) -> None:
    image_id, old, new = await held(here, site, tmp_path)
    move = "migrateResourceToAnotherSecondaryStorage"
    await here.admin.job(move, srcpool=old, destpool=new, templates=image_id)
    assert files(tmp_path / "new") == [f"{image_id}.qcow2"]
    told = await refusal(here.admin, move, srcpool=old, destpool=new, templates=image_id)
    assert "does not lie in image store old" in told["errortext"]
    await here.admin.job(move, srcpool=new, destpool=old, templates=image_id)
    assert (files(tmp_path / "old"), files(tmp_path / "new")) == ([f"{image_id}.qcow2"], [])


async def test_what_is_refused(here: Place, site: Site, tmp_path: Path) -> None:
    _, old, new = await held(here, site, tmp_path)
    await here.admin("updateImageStore", id=new, readonly="true")
    move = "migrateSecondaryStorageData"
    told = await refusal(here.admin, move, srcpool=old, destpools=new)
    assert "read only" in told["errortext"]
    told = await refusal(here.admin, move, srcpool=old, destpools=old)
    assert "not another one" in told["errortext"]
    told = await refusal(here.admin, move, srcpool=old, destpools=new, migrationtype="balance")
    assert "balance is not offered" in told["errortext"]
