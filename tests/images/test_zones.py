"""An image in several zones: a line for each, bytes for each, and an end for each."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cs import CloudStackException

from tests.images.conftest import ZONE_2, Site
from tests.images.files import disc, qcow2
from tests.tenant.world import ZONE, Client, Place

LINUX: dict[str, Any] = {"hypervisor": "KVM", "format": "QCOW2"}


async def ready(api: Client, kind: str, image_id: str, zone_id: str) -> dict[str, Any]:
    """The image's line of a zone, once it is ready there."""
    listing = {"template": "listTemplates", "iso": "listIsos"}[kind]
    for _ in range(400):
        found = await api(listing, **{f"{kind}filter": "all"}, id=image_id, zoneid=zone_id)
        row: dict[str, Any] = found[kind][0]
        if row["isready"] or "Error" in row["status"]:
            return row
        await asyncio.sleep(0.02)
    raise AssertionError(f"still {row['status']}")


async def template(here: Place, site: Site, tmp_path: Path, **more: Any) -> str:
    """A template of the admin's in the first zone, from the web."""
    url = site.offer("tiny.qcow2", qcow2(tmp_path))
    ask = LINUX | {"name": "tiny", "url": url, "zoneid": str(ZONE)} | more
    made = await here.admin("registerTemplate", **ask)
    image_id: str = made["template"][0]["id"]
    assert (await ready(here.admin, "template", image_id, str(ZONE)))["isready"]
    return image_id


def kept(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*.qcow2"))


async def test_a_copy_has_bytes_and_a_state_of_its_own(
    here: Place, site: Site, tmp_path: Path
) -> None:
    image_id = await template(here, site, tmp_path)
    home = here.controller.settings.home / "images"
    assert kept(home) == [f"{ZONE}/{image_id}.qcow2"]
    done = await here.admin.job(
        "copyTemplate", id=image_id, sourcezoneid=str(ZONE), destzoneids=[str(ZONE_2)]
    )
    assert done["template"]["id"] == image_id
    lines = await here.admin("listTemplates", templatefilter="all", id=image_id)
    assert {one["zonename"]: one["isready"] for one in lines["template"]} == {
        "z1": True,
        "z2": True,
    }
    assert lines["count"] == 2
    assert kept(home) == sorted([f"{ZONE}/{image_id}.qcow2", f"{ZONE_2}/{image_id}.qcow2"])
    assert site.asked == ["tiny.qcow2"], "a copy is not another download"
    unique = await here.admin("listTemplates", templatefilter="all", id=image_id, showunique="true")
    assert unique["count"] == 1
    shown = await here.admin("listTemplates", templatefilter="all", id=image_id, showicon="true")
    assert shown["count"] == 2


async def test_deleting_in_one_zone_leaves_the_other(
    here: Place, site: Site, tmp_path: Path
) -> None:
    image_id = await template(here, site, tmp_path)
    await here.admin.job("copyTemplate", id=image_id, destzoneid=str(ZONE_2))
    await here.admin.job("deleteTemplate", id=image_id, zoneid=str(ZONE))
    home = here.controller.settings.home / "images"
    assert kept(home) == [f"{ZONE_2}/{image_id}.qcow2"]
    line = await here.admin.one("listTemplates", "template", templatefilter="all", id=image_id)
    assert line["zonename"] == "z2" and line["isready"]
    await here.admin.job("deleteTemplate", id=image_id)
    assert kept(home) == []


async def test_a_copy_that_is_there_is_refused(here: Place, site: Site, tmp_path: Path) -> None:
    image_id = await template(here, site, tmp_path)
    with pytest.raises(CloudStackException, match="in zone z1 already"):
        await here.admin("copyTemplate", id=image_id, destzoneid=str(ZONE))
    with pytest.raises(CloudStackException, match="destzoneid"):
        await here.admin("copyTemplate", id=image_id)


async def test_a_store_of_a_zone_holds_its_copies(here: Place, site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "other disk"
    await here.admin(
        "addImageStore", provider="NFS", name="second", url=folder.as_uri(), zoneid=str(ZONE_2)
    )
    image_id = await template(here, site, tmp_path)
    await here.admin.job("copyTemplate", id=image_id, destzoneid=str(ZONE_2))
    assert (folder / str(ZONE_2) / f"{image_id}.qcow2").read_bytes() == site.files["tiny.qcow2"]


async def test_one_for_all_zones_has_a_line_in_each(here: Place) -> None:
    made = await here.ann(
        "registerTemplate",
        name="all",
        url="sim://all",
        hypervisor="Simulator",
        format="QCOW2",
        zoneid="-1",
    )
    assert {one["zonename"] for one in made["template"]} == {"z1", "z2"}
    assert all(one["crossZones"] for one in made["template"])


async def test_a_tenant_cannot_fetch_from_inside(here: Place, site: Site, tmp_path: Path) -> None:
    url = site.offer("tiny.qcow2", qcow2(tmp_path))
    ask = LINUX | {"name": "inside", "url": url, "zoneid": str(ZONE)}
    made = await here.ann("registerTemplate", **ask)
    line = await ready(here.admin, "template", made["template"][0]["id"], str(ZONE))
    assert "only an administrator" in line["status"] and site.asked == []
    await here.admin(
        "updateConfiguration", name="secstorage.allowed.internal.sites", value="127.0.0.0/8"
    )
    made = await here.ann("registerTemplate", **(ask | {"name": "allowed"}))
    line = await ready(here.admin, "template", made["template"][0]["id"], str(ZONE))
    assert line["isready"], line["status"]


async def test_what_is_not_offered_says_so(here: Place) -> None:
    ask = LINUX | {"name": "t", "url": "http://192.0.2.1/a", "zoneid": str(ZONE)}
    for flag in ("directdownload", "deployasis"):
        with pytest.raises(CloudStackException, match=flag):
            await here.ann("registerTemplate", **ask, **{flag: "true"})
    with pytest.raises(CloudStackException, match="bits: it must be 32 or 64"):
        await here.ann("registerTemplate", **ask, bits=-1)


async def test_a_disc_is_looked_at(here: Place, site: Site) -> None:
    good = site.offer("good.iso", disc())
    bad = site.offer("bad.iso", b"<html>".ljust(40_960))
    # No cluster stands in the second zone, so nothing there is simulated.
    for name, url, is_ready in (("good", good, True), ("bad", bad, False)):
        made = await here.admin(
            "registerIso", name=name, url=url, zoneid=str(ZONE_2), bootable="false"
        )
        line = await ready(here.admin, "iso", made["iso"][0]["id"], str(ZONE_2))
        assert line["isready"] is is_ready, line
        assert line["format"] == "ISO"
    found = await here.admin("listIsos", isofilter="all", name="bad")
    assert "no disc" in found["iso"][0]["status"]
