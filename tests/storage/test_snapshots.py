"""Snapshots as their owner takes them, brings them back and has them taken."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec.structs import replace

from drivers.sim import SimDriver, SimWorld
from engine.chores.snapshot import drop_surplus_snapshots, take_due_snapshots
from projections.snapshot import snapshots
from projections.snapshot_policy import snapshot_policies
from projections.storage_pool import storage_pools
from tests.tenant.test_refusals import refusal
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import GIB, POOL, SMALL_DISK, ZONE, Client, Place

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def simulated(here: Place) -> SimWorld:
    """The data centre behind the controller."""
    driver = here.controller.drivers.get("Simulator")
    assert isinstance(driver, SimDriver)
    return driver.world


async def root_of(client: Client, vm_id: str) -> Any:
    return await client.one("listVolumes", "volume", virtualmachineid=vm_id, type="ROOT")


async def take(client: Client, volume_id: str, **more: Any) -> Any:
    return (await client.job("createSnapshot", volumeid=volume_id, **more))["snapshot"]


async def test_from_taking_to_deleting(here: Place) -> None:
    ann = here.ann
    vm = await deploy(ann)
    root = await root_of(ann, vm["id"])
    accepted = await ann("createSnapshot", volumeid=root["id"], name="before", asyncbackup="true")
    snapshot = (await ann.ended(accepted["jobid"]))["snapshot"]
    assert (snapshot["id"], snapshot["state"]) == (accepted["id"], "BackedUp")
    assert (snapshot["volumeid"], snapshot["volumetype"]) == (root["id"], "ROOT")
    assert (snapshot["snapshottype"], snapshot["virtualsize"]) == ("MANUAL", root["size"])
    assert (snapshot["account"], snapshot["revertable"]) == ("ann", True)
    assert "datastoreid" not in snapshot
    assert (await root_of(ann, vm["id"]))["state"] == "Ready"

    error = await refusal(ann, "revertSnapshot", id=snapshot["id"])
    assert "it must be Stopped" in error["errortext"]
    await ann.job("stopVirtualMachine", id=vm["id"])
    reverted = (await ann.job("revertSnapshot", id=snapshot["id"]))["snapshot"]
    assert (reverted["id"], reverted["state"]) == (snapshot["id"], "BackedUp")
    await ann.job("startVirtualMachine", id=vm["id"])

    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    alone = await ann.one("listSnapshots", "snapshot", id=snapshot["id"])
    assert (alone["revertable"], "volumestate" in alone) == (False, False)
    error = await refusal(ann, "revertSnapshot", id=snapshot["id"])
    assert "make a new volume" in error["errortext"]
    assert (await ann.job("deleteSnapshot", id=snapshot["id"]))["success"] is True
    assert await ann("listSnapshots") == {}


async def test_a_revert_brings_the_bytes_back(here: Place) -> None:
    ann, world = here.ann, simulated(here)
    vm = await deploy(ann)
    root = await root_of(ann, vm["id"])
    pool = world.pool(here.controller.engine.cloud[storage_pools][POOL].url).url

    def write(text: str) -> None:
        disk = world.disks[pool][f"{root['id']}.qcow2"]
        world.commit(replace(disk, content=text))

    write("first")
    snapshot = await take(ann, root["id"])
    write("second")
    await ann.job("stopVirtualMachine", id=vm["id"], forced="true")
    await ann.job("revertSnapshot", id=snapshot["id"])
    assert world.disks[pool][f"{root['id']}.qcow2"].content == "first"


async def test_what_makes_no_snapshot(here: Place) -> None:
    ann = here.ann
    volume = (await ann.job("createVolume", name="d", zoneid=str(ZONE), diskofferingid=SMALL_DISK))[
        "volume"
    ]
    error = await refusal(ann, "createSnapshot", volumeid=volume["id"])
    assert "on no pool yet" in error["errortext"]
    vm = await deploy(ann)
    root = await root_of(ann, vm["id"])
    ask = {"volumeid": root["id"]}
    assert (
        "quiescevm" in (await refusal(ann, "createSnapshot", quiescevm="true", **ask))["errortext"]
    )
    error = await refusal(ann, "createSnapshot", locationtype="SECONDARY", **ask)
    assert "not offered" in error["errortext"]
    assert "does not exist" in (await refusal(here.bob, "createSnapshot", **ask))["errortext"]
    snapshot = await take(ann, root["id"])
    for command in ("deleteSnapshot", "revertSnapshot"):
        error = await refusal(here.bob, command, id=snapshot["id"])
        assert "does not exist" in error["errortext"]
    assert await here.bob("listSnapshots") == {}


async def test_lists_by_each_filter(here: Place) -> None:
    ann = here.ann
    vm = await deploy(ann)
    root = await root_of(ann, vm["id"])
    asked = {"tags[0].key": "for", "tags[0].value": "audit"}
    first = await take(ann, root["id"], name="first", **asked)
    assert [(tag["key"], tag["value"]) for tag in first["tags"]] == [("for", "audit")]
    await take(ann, root["id"], name="second")
    for params, names in (
        ({"volumeid": root["id"]}, {"first", "second"}),
        ({"name": "FIRST"}, {"first"}),
        ({"keyword": "eco"}, {"second"}),
        ({"snapshottype": "MANUAL"}, {"first", "second"}),
        ({"snapshottype": "RECURRING"}, set()),
        ({"intervaltype": "DAILY"}, set()),
        ({"locationtype": "SECONDARY"}, set()),
        ({"zoneid": str(ZONE)}, {"first", "second"}),
        (asked, {"first"}),
    ):
        told = await ann("listSnapshots", **params)
        assert {one["name"] for one in told.get("snapshot", [])} == names, params
    mine = await here.admin("listSnapshots", listall="true", storageid=str(POOL))
    assert mine["count"] == 2
    assert mine["snapshot"][0]["datastorename"] == "pool"


async def test_a_snapshot_holds_room_in_its_pool(here: Place) -> None:
    vm = await deploy(here.ann)
    root = await root_of(here.ann, vm["id"])
    before = await here.admin.one("listStoragePools", "storagepool")
    snapshot = await take(here.ann, root["id"])
    after = await here.admin.one("listStoragePools", "storagepool")
    assert after["disksizeallocated"] - before["disksizeallocated"] == root["size"] > GIB // 1024
    await here.ann.job("deleteSnapshot", id=snapshot["id"])
    assert (await here.admin.one("listStoragePools", "storagepool")) == before


async def policy(client: Client, volume_id: str, **more: Any) -> Any:
    asked: dict[str, Any] = {"intervaltype": "DAILY", "schedule": "0:3", "timezone": "UTC"}
    asked |= {"maxsnaps": 2, "volumeid": volume_id}
    return (await client("createSnapshotPolicy", **(asked | more)))["snapshotpolicy"]


async def test_policies_are_one_an_interval(here: Place) -> None:
    ann = here.ann
    root = await root_of(ann, (await deploy(ann))["id"])
    daily = await policy(ann, root["id"])
    assert (daily["intervaltype"], daily["maxsnaps"], daily["schedule"]) == (1, 2, "0:3")
    again = await policy(ann, root["id"], schedule="30:4", maxsnaps=3)
    assert (again["id"], again["schedule"]) == (daily["id"], "30:4")
    weekly = await policy(ann, root["id"], intervaltype="WEEKLY", schedule="0:3:1")
    listed = await ann("listSnapshotPolicies", volumeid=root["id"])
    assert {one["id"] for one in listed["snapshotpolicy"]} == {daily["id"], weekly["id"]}
    error = await refusal(ann, "createSnapshotPolicy", volumeid=root["id"], intervaltype="DAILY",
                          schedule="0:3", timezone="UTC", maxsnaps=9)  # fmt: skip
    assert "from 1 to 8" in error["errortext"]
    await here.admin("updateConfiguration", name="snapshot.max.daily", value="9")
    await policy(ann, root["id"], maxsnaps=9)
    assert (
        "does not exist"
        in (await refusal(here.bob, "deleteSnapshotPolicies", id=daily["id"]))["errortext"]
    )
    hidden = await here.admin.job("updateSnapshotPolicy", id=weekly["id"], fordisplay="false")
    assert hidden["snapshotpolicy"]["fordisplay"] is False
    assert (await ann("listSnapshotPolicies"))["count"] == 1
    assert (await ann("deleteSnapshotPolicies", ids=[daily["id"], weekly["id"]]))["success"]
    assert await here.admin("listSnapshotPolicies", listall="true") == {}


async def settled(here: Place) -> None:
    for snapshot in list(here.controller.engine.cloud[snapshots]):
        if snapshot.job_id is not None:
            await here.controller.engine.runner.wait(snapshot.job_id)


async def test_what_is_due_is_taken_once_and_the_oldest_go(here: Place) -> None:
    ann, engine = here.ann, here.controller.engine
    root = await root_of(ann, (await deploy(ann))["id"])
    made = await policy(ann, root["id"], **{"tags[0].key": "by", "tags[0].value": "night"})
    row = engine.cloud[snapshot_policies][UUID(made["id"])]
    now_ms = row.taken_at_ms
    await take_due_snapshots(engine, now_ms)
    assert await ann("listSnapshots") == {}

    for days in (2, 2, 2, 3, 7, 7):  # asked often, and once after four days without a controller
        await take_due_snapshots(engine, now_ms + days * DAY_MS)
        await settled(here)
    taken = (await ann("listSnapshots", intervaltype="DAILY"))["snapshot"]
    assert len(taken) == 3
    assert {one["snapshottype"] for one in taken} == {"DAILY"}
    assert taken[0]["tags"][0]["value"] == "night"
    assert (await ann("listSnapshots", snapshottype="RECURRING"))["count"] == 3

    manual = await take(ann, root["id"])
    for _ in range(2):
        await drop_surplus_snapshots(engine, now_ms)
        await settled(here)
    left = {one["id"] for one in (await ann("listSnapshots"))["snapshot"]}
    assert left == {taken[1]["id"], taken[2]["id"], manual["id"]}

    await here.admin.job("destroyVirtualMachine", id=(await _vm(ann)), expunge="true")
    await take_due_snapshots(engine, now_ms + 9 * DAY_MS)
    assert await here.admin("listSnapshotPolicies", listall="true") == {}


async def test_a_clock_that_is_set_back_ends_no_policy(here: Place) -> None:
    """It was a year ahead for a day: what falls due afterwards is taken, and once."""
    ann, engine = here.ann, here.controller.engine
    root = await root_of(ann, (await deploy(ann))["id"])
    made = await policy(ann, root["id"])
    now_ms = engine.cloud[snapshot_policies][UUID(made["id"])].taken_at_ms
    counts = []
    for days in (365, 1, 1, 2, 2):
        await take_due_snapshots(engine, now_ms + days * DAY_MS)
        await settled(here)
        counts.append((await ann("listSnapshots", intervaltype="DAILY"))["count"])
    assert counts == [1, 2, 2, 3, 3]


async def _vm(client: Client) -> str:
    return str((await client.one("listVirtualMachines", "virtualmachine"))["id"])
