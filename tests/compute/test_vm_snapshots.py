"""Snapshots of whole guests: a tree that a guest goes back and forth in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from cs import CloudStackApiException
from msgspec.structs import replace

from tests.tenant.test_vm_life import deploy, state_of
from tests.tenant.world import CUSTOM_DISK, MEDIUM, Client, Place


def world(here: Place) -> Any:
    return here.controller.drivers.get("Simulator").world  # type: ignore[attr-defined]


def write(here: Place, text: str) -> None:
    """Let the guest write onto every disk that it has."""
    for disk in world(here).residue().disks:
        world(here).commit(replace(disk, content=text))


def read(here: Place) -> set[str]:
    return {disk.content for disk in world(here).residue().disks}


async def keep(client: Client, vm_id: str, name: str, **more: Any) -> Any:
    ask = {"virtualmachineid": vm_id, "name": name, "snapshotmemory": "true", **more}
    return (await client.job("createVMSnapshot", **ask))["vmsnapshot"]


async def tree(client: Client) -> dict[str, tuple[str | None, bool]]:
    listed = (await client("listVMSnapshot")).get("vmSnapshot", [])
    return {one["displayname"]: (one.get("parentName"), one["current"]) for one in listed}


async def test_a_guest_goes_back_to_what_it_was(here: Place) -> None:
    vm = await deploy(here.ann, diskofferingid=CUSTOM_DISK, size=1)
    write(here, "one")
    first = await keep(here.ann, vm["id"], "first", description="d")
    assert (first["state"], first["type"], first["current"]) == ("Ready", "DiskAndMemory", True)
    assert first["name"].startswith("i-") and first["virtualmachineid"] == vm["id"]
    write(here, "two")
    await keep(here.ann, vm["id"], "second")
    write(here, "three")
    assert await tree(here.ann) == {"first": (None, False), "second": ("first", True)}
    named = await here.ann.one("listVMSnapshot", "vmSnapshot", name="second")
    assert named["parent"] == first["id"]
    back = await here.ann.job("revertToVMSnapshot", vmsnapshotid=first["id"])
    assert (back["virtualmachine"]["id"], back["virtualmachine"]["state"]) == (vm["id"], "Running")
    assert read(here) == {"one"}
    assert await tree(here.ann) == {"first": (None, True), "second": ("first", False)}
    await keep(here.ann, vm["id"], "branch")
    await here.ann.job("deleteVMSnapshot", vmsnapshotid=first["id"])
    assert await tree(here.ann) == {"second": (None, False), "branch": (None, True)}
    kept = {len(disk.kept) for disk in world(here).residue().disks}
    assert kept == {2}, "the deleted one is still in the disks"


async def test_several_without_a_name_in_one_second_have_names_of_their_own(here: Place) -> None:
    vm = await deploy(here.ann)
    for _ in range(4):
        await here.ann.job("createVMSnapshot", virtualmachineid=vm["id"])
    names = [one["displayname"] for one in (await here.ann("listVMSnapshot"))["vmSnapshot"]]
    assert len(set(names)) == 4, names


async def test_its_state_decides_what_may_be_kept_and_returned_to(here: Place) -> None:
    vm = await deploy(here.ann)
    alive = await keep(here.ann, vm["id"], "alive")
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    with pytest.raises(CloudStackApiException, match="start it first"):
        await here.ann.job("revertToVMSnapshot", vmsnapshotid=alive["id"])
    with pytest.raises(CloudStackApiException, match="has no memory to keep"):
        await keep(here.ann, vm["id"], "x")
    still = await keep(here.ann, vm["id"], "still", snapshotmemory="false")
    assert still["type"] == "Disk"
    await here.ann.job("startVirtualMachine", id=vm["id"])
    with pytest.raises(CloudStackApiException, match="stop it first"):
        await here.ann.job("revertToVMSnapshot", vmsnapshotid=still["id"])
    assert await state_of(here.ann, vm["id"]) == "Running"


async def test_what_a_snapshot_names_stays_as_it_is(here: Place) -> None:
    vm = await deploy(here.ann)
    loose = (await here.ann.job("createVolume", name="v", zoneid=vm["zoneid"],
                                diskofferingid=CUSTOM_DISK, size=1))["volume"]["id"]  # fmt: skip
    root = await here.ann.one("listVolumes", "volume", type="ROOT")
    await keep(here.ann, vm["id"], "k")
    for command, params in (
        ("attachVolume", {"id": loose, "virtualmachineid": vm["id"]}),
        ("resizeVolume", {"id": root["id"], "size": 9}),
        ("restoreVirtualMachine", {"virtualmachineid": vm["id"]}),
        ("scaleVirtualMachine", {"id": vm["id"], "serviceofferingid": MEDIUM}),
    ):
        with pytest.raises(CloudStackApiException, match="delete its VM snapshots first"):
            await here.ann.job(command, **params)
    with pytest.raises(CloudStackApiException, match="entity does not exist"):
        await here.bob("createVMSnapshot", virtualmachineid=vm["id"])


async def test_expunging_takes_its_snapshots_along(here: Place) -> None:
    vm = await deploy(here.ann, diskofferingid=CUSTOM_DISK, size=1)
    await keep(here.ann, vm["id"], "k")
    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    assert await here.ann("listVMSnapshot") == {}
    (data,) = world(here).residue().disks
    assert data.kept == ()
    assert str(data.volume_id) == (await here.ann.one("listVolumes", "volume"))["id"]


async def test_there_are_only_so_many(here: Place) -> None:
    await here.admin("updateConfiguration", name="vmsnapshot.max", value="1")
    vm = await deploy(here.ann)
    made = await keep(here.ann, vm["id"], "k")
    with pytest.raises(CloudStackApiException, match=r"vmsnapshot\.max allows 1"):
        await keep(here.ann, vm["id"], "l")
    assert UUID(made["id"])
