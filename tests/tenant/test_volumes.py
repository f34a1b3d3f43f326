"""A data disk's life as its owner sees it."""

from __future__ import annotations

from typing import Any

from tests.tenant.test_refusals import refusal
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import CUSTOM_DISK, GIB, SMALL_DISK, ZONE, Client, Place


async def make(client: Client, **more: Any) -> Any:
    asked = {"diskofferingid": CUSTOM_DISK, "size": 2, "zoneid": str(ZONE)} | more
    return (await client.job("createVolume", **asked))["volume"]


async def test_from_creation_to_deletion(here: Place) -> None:
    ann = here.ann
    accepted = await ann(
        "createVolume", diskofferingid=CUSTOM_DISK, size=2, zoneid=str(ZONE), name="data"
    )
    volume = (await ann.ended(accepted["jobid"]))["volume"]
    assert (volume["id"], volume["state"], volume["size"]) == (accepted["id"], "Allocated", 2 * GIB)
    assert (volume["type"], volume["diskofferingname"]) == ("DATADISK", "Custom")

    vm = await deploy(ann)
    ids = {"id": volume["id"], "virtualmachineid": vm["id"]}
    attached = (await ann.job("attachVolume", **ids))["volume"]
    assert (attached["state"], attached["virtualmachineid"]) == ("Ready", vm["id"])
    assert attached["deviceid"] == 1
    assert attached["vmname"] == vm["name"]
    error = await refusal(ann, "deleteVolume", id=volume["id"])
    assert (error["errorcode"], "is attached" in error["errortext"]) == (536, True)

    grown = (await ann.job("resizeVolume", id=volume["id"], size=4))["volume"]
    assert grown["size"] == 4 * GIB
    error = await refusal(ann, "resizeVolume", id=volume["id"], size=3)
    assert "cannot shrink" in error["errortext"]

    slot = {"virtualmachineid": vm["id"], "deviceid": 1}
    detached = (await ann.job("detachVolume", **slot))["volume"]
    assert "virtualmachineid" not in detached
    assert await ann("deleteVolume", id=volume["id"]) == {"success": True}
    assert (await ann("listVolumes"))["count"] == 1
    error = await refusal(ann, "deleteVolume", id=volume["id"])
    assert "entity does not exist" in error["errortext"]


async def test_a_root_disk_stays_where_it_is(here: Place) -> None:
    await deploy(here.ann)
    root = await here.ann.one("listVolumes", "volume", type="ROOT")
    error = await refusal(here.ann, "detachVolume", id=root["id"])
    assert "root disk" in error["errortext"]


async def test_what_makes_no_volume(here: Place) -> None:
    where = {"zoneid": str(ZONE), "diskofferingid": CUSTOM_DISK}
    assert "say size" in (await refusal(here.ann, "createVolume", **where))["errortext"]
    error = await refusal(here.ann, "createVolume", zoneid=str(ZONE), size=1)
    assert "needs a diskofferingid" in error["errortext"]
    where = {"zoneid": str(ZONE), "diskofferingid": SMALL_DISK}
    error = await refusal(here.ann, "createVolume", **where, size=30)
    assert "have 5 GiB, not 30: leave the size out" in error["errortext"]
    for same in ({}, {"size": 5}):
        fixed = await here.ann.job("createVolume", **where, **same)
        assert fixed["volume"]["size"] == 5 * GIB
    own = {"id": (await make(here.ann))["id"], "diskofferingid": SMALL_DISK}
    error = await refusal(here.ann, "resizeVolume", **own, size=9)
    assert "have 5 GiB, not 9" in error["errortext"]


async def test_only_the_owners_guests_take_it(here: Place) -> None:
    volume = await make(here.ann)
    vm = await deploy(here.bob)
    ids = {"id": volume["id"], "virtualmachineid": vm["id"]}
    assert "does not exist" in (await refusal(here.bob, "attachVolume", **ids))["errortext"]
    assert "does not exist" in (await refusal(here.ann, "attachVolume", **ids))["errortext"]
    assert "differ in owner" in (await refusal(here.admin, "attachVolume", **ids))["errortext"]


async def test_an_administrator_renames_it(here: Place) -> None:
    volume = await make(here.ann, name="before")
    renamed = await here.admin.job("updateVolume", id=volume["id"], name="after")
    assert renamed["volume"]["name"] == "after"
    assert (await here.ann.one("listVolumes", "volume", name="AFTER"))["id"] == volume["id"]
    hidden = await here.admin.job("updateVolume", id=volume["id"], displayvolume="false")
    assert hidden["volume"]["displayvolume"] is False
    assert await here.ann("listVolumes") == {}
