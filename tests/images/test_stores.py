"""Image stores as those who run them see them, and what is said of guest systems."""

from __future__ import annotations

from pathlib import Path

import pytest
from cs import CloudStackException

from engine.genesis import stable_id
from tests.images.conftest import ZONE_2, Site
from tests.images.test_transfers import get
from tests.images.test_zones import template
from tests.tenant.world import SMALL, SMALL_DISK, TEMPLATE, ZONE, Place

LINUX = str(stable_id("os_type", "Other Linux (64-bit)"))


async def store(here: Place, folder: Path) -> str:
    told = await here.admin(
        "addImageStore", provider="NFS", name="second", url=folder.as_uri(), zoneid=str(ZONE_2)
    )
    return str(told["imagestore"]["id"])


async def test_a_store_goes_when_it_is_empty(here: Place, site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store_id = await store(here, folder)
    image_id = await template(here, site, tmp_path)
    await here.admin.job("copyTemplate", id=image_id, destzoneid=str(ZONE_2))
    with pytest.raises(CloudStackException, match="holds template tiny"):
        await here.admin("deleteImageStore", id=store_id)
    await here.admin.job("deleteTemplate", id=image_id, zoneid=str(ZONE_2))
    await here.admin("deleteImageStore", id=store_id)


async def test_a_store_that_is_read_only_gets_nothing_new(
    here: Place, site: Site, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    store_id = await store(here, folder)
    await here.admin("updateImageStore", id=store_id, readonly="true")
    image_id = await template(here, site, tmp_path)
    await here.admin.job("copyTemplate", id=image_id, destzoneid=str(ZONE_2))
    assert not folder.exists()


async def test_files_of_a_store_are_listed_and_fetched(
    here: Place, site: Site, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    store_id = await store(here, folder)
    image_id = await template(here, site, tmp_path)
    await here.admin.job("copyTemplate", id=image_id, destzoneid=str(ZONE_2))
    top = await here.admin("listImageStoreObjects", id=store_id)
    assert [(one["name"], one["isdirectory"]) for one in top["datastoreobject"]] == [
        (str(ZONE_2), True)
    ]
    listed = await here.admin("listImageStoreObjects", id=store_id, path=f"/{ZONE_2}")
    (file,) = listed["datastoreobject"]
    assert file["templatename"] == "tiny" and file["size"] == len(site.files["tiny.qcow2"])
    path = f"{ZONE_2}/{file['name']}"
    done = await here.admin.job("downloadImageStoreObject", id=store_id, path=path)
    url = done["downloadimagestoreobjectresponse"]["url"]
    assert await get(url) == (200, site.files["tiny.qcow2"])


@pytest.mark.parametrize("path", ["../log.db", "/../../etc/passwd", "link"])
async def test_nothing_outside_a_store_is_read(here: Place, tmp_path: Path, path: str) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "log.db")
    store_id = await store(here, folder)
    for command in ("listImageStoreObjects", "downloadImageStoreObject"):
        with pytest.raises(CloudStackException, match="leads out of"):
            await here.admin(command, id=store_id, path=path)


async def test_stores_of_objects_are_refused(here: Place) -> None:
    keys = {"accesskey": "a", "secretkey": "s", "bucket": "b", "endpoint": "e"}
    for command, ask in (
        ("addImageStoreS3", keys),
        ("addSwift", {"url": "http://x"}),
        ("addImageStore", {"provider": "S3"}),
        ("createSecondaryStagingStore", {"url": "nfs://x/y"}),
    ):
        with pytest.raises(CloudStackException, match="not offered"):
            await here.admin(command, **ask)
    for wrong, words in (
        ({"provider": "junk", "url": "nfs://x/y"}, "provider: it must be one of NFS, SMB"),
        ({"provider": "NFS", "url": "junk"}, "url 'junk' is no place"),
        ({"provider": "NFS"}, "url '' is no place"),
    ):
        with pytest.raises(CloudStackException, match=words):
            await here.admin("addImageStore", **wrong)
    added = await here.admin("addSecondaryStorage", url="nfs://192.0.2.1/x", zoneid=str(ZONE))
    assert added["secondarystorage"]["protocol"] == "nfs"


async def test_hypervisors_have_names_for_systems(here: Place) -> None:
    ask = {"hypervisor": "KVM", "hypervisorversion": "default", "osnameforhypervisor": "linux"}
    done = await here.admin.job("addGuestOsMapping", ostypeid=LINUX, **ask)
    made = done["guestosmapping"]
    assert made["osdisplayname"] == "Other Linux (64-bit)" and made["isuserdefined"] == "true"
    named = ask | {"osdisplayname": "Other Linux (64-bit)", "osnameforhypervisor": "tux"}
    with pytest.raises(CloudStackException, match="already exists"):
        await here.admin("addGuestOsMapping", **named)
    await here.admin.job("addGuestOsMapping", **named, forced="true")
    row = await here.admin.one("listGuestOsMapping", "guestosmapping", hypervisor="KVM")
    assert row["osnameforhypervisor"] == "tux" and row["id"] == made["id"]
    await here.admin.job("updateGuestOsMapping", id=row["id"], osnameforhypervisor="gnu")
    await here.admin.job("removeGuestOsMapping", id=row["id"])
    assert await here.admin("listGuestOsMapping") == {}


async def test_capabilities_can_be_changed(here: Place) -> None:
    row = await here.admin.one(
        "listHypervisorCapabilities", "hypervisorCapabilities", hypervisor="Simulator"
    )
    assert row["maxdatavolumeslimit"] == 14
    ask = {"hypervisor": "simulator", "maxdatavolumeslimit": 1}
    done = await here.admin("updateHypervisorCapabilities", **ask)
    assert done["hypervisorcapabilities"]["maxdatavolumeslimit"] == 1
    shape = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
    vm = (await here.ann.job("deployVirtualMachine", **shape))["virtualmachine"]
    disk = {"zoneid": str(ZONE), "diskofferingid": SMALL_DISK}
    first, second = [
        (await here.ann.job("createVolume", name=name, **disk))["volume"]["id"] for name in "ab"
    ]
    await here.ann.job("attachVolume", id=first, virtualmachineid=vm["id"])
    with pytest.raises(CloudStackException, match="as many as Simulator may"):
        await here.ann.job("attachVolume", id=second, virtualmachineid=vm["id"])


async def test_systems_and_their_families(here: Place) -> None:
    found = await here.ann.one("listOsTypes", "ostype", description="CentOS 5.5 (64-bit)")
    made = await here.admin("addOsCategory", name="Own", isfeatured="true")
    family = made["oscategory"]["id"]
    done = await here.admin.job(
        "addGuestOs", oscategoryid=family, osdisplayname="Own 1", forDisplay="false"
    )
    own = done["ostype"]["id"]
    assert await here.ann("listOsTypes", description="Own 1") == {}
    with pytest.raises(CloudStackException, match="in use by"):
        await here.admin("deleteOsCategory", id=family)
    await here.admin("updateOsCategory", id=family, name="Ours")
    with pytest.raises(CloudStackException, match="came with the cloud"):
        await here.admin("updateGuestOs", id=found["id"], osdisplayname="mine")
    await here.admin.job("removeGuestOs", id=own)
    await here.admin("deleteOsCategory", id=family)
