"""Volumes as their owners have them: from snapshots, moved, reoffered, destroyed, given away."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from engine.chores.volume import expunge_destroyed_volumes
from engine.intents import SYSTEM
from engine.intents.storage_pool import AddStoragePool
from projections.volume import volumes
from tests.storage.test_snapshots import root_of, simulated, take
from tests.tenant.test_refusals import refusal
from tests.tenant.test_vm_life import deploy
from tests.tenant.test_volumes import make
from tests.tenant.world import CUSTOM_DISK, GIB, MAIN, POD, POOL, SMALL_DISK, ZONE, Place, named

FAST = named("fast pool")


async def fast_pool(here: Place) -> None:
    """Another pool of the same cluster, with a tag."""
    ask = AddStoragePool(
        id=FAST, name="fast", url="sim://fast?capacity_gib=1000", scope="CLUSTER", zone_id=ZONE,
        pod_id=POD, cluster_id=MAIN, tags=["ssd"],
    )  # fmt: skip
    await here.controller.engine.perform(ask, SYSTEM)


async def offer(here: Place, **more: Any) -> Any:
    asked: dict[str, Any] = {"name": "an offering", "customized": "true"}
    return (await here.admin("createDiskOffering", **(asked | more)))["diskoffering"]


async def on_pool(here: Place) -> tuple[Any, Any]:
    """A guest that runs, and a data disk of it."""
    vm, volume = await deploy(here.ann), await make(here.ann)
    ids = {"id": volume["id"], "virtualmachineid": vm["id"]}
    return vm, (await here.ann.job("attachVolume", **ids))["volume"]


def pool_of(here: Place, volume: Any) -> UUID | None:
    return here.controller.engine.cloud[volumes][UUID(volume["id"])].pool_id


def content(here: Place, volume_id: str) -> set[str]:
    """What the disks of this id hold, wherever they are."""
    disks = simulated(here).residue().disks
    return {disk.content for disk in disks if str(disk.volume_id) == volume_id}


async def test_made_of_a_snapshot(here: Place) -> None:
    ann = here.ann
    vm, data = await on_pool(here)
    snapshot = await take(ann, data["id"])
    made = (await ann.job("createVolume", snapshotid=snapshot["id"], name="copy"))["volume"]
    assert (made["state"], made["size"], made["snapshotid"]) == ("Ready", 2 * GIB, snapshot["id"])
    assert made["diskofferingname"] == "Custom"
    larger = (await ann.job("createVolume", snapshotid=snapshot["id"], size=4))["volume"]
    assert larger["size"] == 4 * GIB
    assert (
        "smaller"
        in (await refusal(ann, "createVolume", snapshotid=snapshot["id"], size=1))["errortext"]
    )
    await ann.job("deleteSnapshot", id=snapshot["id"])
    ids = {"id": made["id"], "virtualmachineid": vm["id"]}
    assert (await ann.job("attachVolume", **ids))["volume"]["deviceid"] == 2
    error = await refusal(ann, "createVolume", snapshotid=snapshot["id"])
    assert "does not exist" in error["errortext"]


async def test_made_and_attached_at_once(here: Place) -> None:
    ann = here.ann
    vm, data = await on_pool(here)
    ask = {"virtualmachineid": vm["id"], "diskofferingid": SMALL_DISK}
    made = (await ann.job("createVolume", **ask))["volume"]
    assert (made["virtualmachineid"], made["state"], made["deviceid"]) == (vm["id"], "Ready", 2)
    snapshot = await take(ann, data["id"])
    stopped = await deploy(ann, name="off", startvm="false")
    ask = {"virtualmachineid": stopped["id"], "snapshotid": snapshot["id"]}
    made = (await ann.job("createVolume", **ask))["volume"]
    assert (made["virtualmachineid"], pool_of(here, made)) == (stopped["id"], POOL)
    assert (await ann.job("startVirtualMachine", id=stopped["id"]))["virtualmachine"]["state"]
    before = await ann("listVolumes")
    other = await deploy(here.bob)
    ask = {"virtualmachineid": other["id"], "diskofferingid": SMALL_DISK}
    assert "does not exist" in (await refusal(ann, "createVolume", **ask))["errortext"]
    assert (await ann("listVolumes"))["count"] == before["count"]


async def test_an_id_of_the_administrators_choice(here: Place) -> None:
    chosen = str(uuid4())
    assert (await make(here.admin, customid=chosen))["id"] == chosen
    error = await refusal(here.admin, "createVolume", customid=chosen, zoneid=str(ZONE),
                          diskofferingid=SMALL_DISK)  # fmt: skip
    assert "is taken" in error["errortext"]


@pytest.mark.parametrize("state", ["running", "stopped", "detached"])
async def test_moved_to_another_pool(here: Place, state: str) -> None:
    vm, data = await on_pool(here)
    await fast_pool(here)
    where = {"volumeid": data["id"], "storageid": str(FAST)}
    if state == "running":
        error = await refusal(here.admin, "migrateVolume", **where)
        assert "livemigrate=true" in error["errortext"]
    else:
        await here.ann.job("stopVirtualMachine", id=vm["id"])
    if state == "detached":
        await here.ann.job("detachVolume", id=data["id"])
    assert (await refusal(here.ann, "migrateVolume", **where))["errorcode"] == 432
    found = await here.admin("findStoragePoolsForMigration", id=data["id"])
    assert [(p["name"], p["suitableformigration"]) for p in found["storagepool"]] == [
        ("fast", True)
    ]
    moved = (await here.admin.job("migrateVolume", livemigrate="true", **where))["volume"]
    assert (moved["storage"], moved["state"], moved["size"]) == ("fast", "Ready", data["size"])
    there = [d.pool for d in simulated(here).residue().disks if str(d.volume_id) == data["id"]]
    assert there == ["sim://fast"]
    error = await refusal(here.admin, "migrateVolume", livemigrate="true", **where)
    assert "already" in error["errortext"]
    if state == "running":
        await here.ann.job("stopVirtualMachine", id=vm["id"])
    await here.ann.job("startVirtualMachine", id=vm["id"])


async def test_another_offering_moves_and_grows(here: Place) -> None:
    vm, data = await on_pool(here)
    await fast_pool(here)
    ssd = await offer(here, name="ssd", tags="ssd", maxiops=500)
    ask = {"id": data["id"], "diskofferingid": ssd["id"]}
    error = await refusal(here.ann, "changeOfferingForVolume", **ask)
    assert "automigrate=true" in error["errortext"]
    moved = (await here.ann.job("changeOfferingForVolume", automigrate="true", **ask))["volume"]
    assert (moved["diskofferingname"], moved["maxiops"]) == ("ssd", 500)
    assert pool_of(here, moved) == FAST
    large = await offer(here, name="large", customized="false", disksize=9)
    ask["diskofferingid"] = large["id"]
    grown = (await here.ann.job("resizeVolume", **ask))["volume"]
    assert (grown["size"], grown["diskofferingname"]) == (9 * GIB, "large")
    error = await refusal(here.ann, "resizeVolume", id=data["id"], size=10)
    assert "fixes the size" in error["errortext"]
    root = await root_of(here.ann, vm["id"])
    error = await refusal(here.ann, "changeOfferingForVolume", id=root["id"],
                          diskofferingid=large["id"])  # fmt: skip
    assert "root disk" in error["errortext"]


async def test_the_driver_is_told_of_limits(here: Place) -> None:
    vm = await deploy(here.ann)
    slow = await offer(
        here, name="slow", cachemode="writeback", bytesreadrate=1024, iopswriterate=50
    )
    assert (slow["diskBytesReadRate"], slow["diskIopsWriteRate"]) == (1024, 50)
    own = await offer(here, name="own", customizediops="true")
    for offering, more in ((slow, {}), (own, {"maxiops": 77})):
        ask = {"virtualmachineid": vm["id"], "diskofferingid": offering["id"], "size": 1} | more
        await here.ann.job("createVolume", **ask)
    guest = next(iter(simulated(here).where(UUID(vm["id"]))))
    _, first, second = guest.disks
    assert (first.cache, first.limits.read_bytes, first.limits.write_iops) == (
        "writeback",
        1024,
        50,
    )
    assert (second.cache, second.limits.total_iops) == ("", 77)
    error = await refusal(here.ann, "createVolume", zoneid=str(ZONE), diskofferingid=slow["id"],
                          size=1, maxiops=5)  # fmt: skip
    assert "customizediops" in error["errortext"]
    for wrong in ({"encrypt": "true"}, {"bytesreadratemax": 5}, {"miniops": 9, "maxiops": 3}):
        error = await refusal(here.admin, "createDiskOffering", name="x", displaytext="x",
                              customized="true", **wrong)  # fmt: skip
        assert next(iter(wrong)) in error["errortext"]


async def test_destroyed_recovered_and_expunged(here: Place) -> None:
    ann, engine = here.ann, here.controller.engine
    vm, data = await on_pool(here)
    error = await refusal(ann, "destroyVolume", id=data["id"])
    assert "is attached" in error["errortext"]
    await ann.job("detachVolume", id=data["id"])
    gone = (await ann.job("destroyVolume", id=data["id"]))["volume"]
    assert (gone["state"], gone["destroyed"]) == ("Destroy", True)
    ids = {"id": data["id"], "virtualmachineid": vm["id"]}
    assert "recover it first" in (await refusal(ann, "attachVolume", **ids))["errortext"]
    back = (await ann("recoverVolume", id=data["id"]))["volume"]
    assert (back["state"], back["destroyed"]) == ("Ready", False)
    error = await refusal(ann, "recoverVolume", id=data["id"])
    assert "only a destroyed one" in error["errortext"]

    await ann.job("destroyVolume", id=data["id"])
    row = engine.cloud[volumes][UUID(data["id"])]
    for after_s, left in ((86_399, 1), (86_400, 0)):
        await expunge_destroyed_volumes(engine, row.destroyed_at_ms + after_s * 1000)
        if row.job_id is not None:
            await engine.runner.wait(row.job_id)
        assert (await ann("listVolumes", type="DATADISK")).get("count", 0) == left
    assert content(here, data["id"]) == set()
    spare = await make(ann)
    gone = await ann.job("destroyVolume", id=spare["id"], expunge="true")
    assert gone["volume"] == {"id": spare["id"]}
    assert (await ann("listVolumes", type="DATADISK")) == {}


async def test_recovered_while_others_are_expunged(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, engine = here.ann, here.controller.engine
    pair = [await make(ann), await make(ann)]
    for one in pair:
        await ann.job("destroyVolume", id=one["id"])
    rows = [engine.cloud[volumes][UUID(one["id"])] for one in pair]
    submit, jobs = engine.submit, list[UUID]()

    async def meanwhile(ask: Any, *rest: Any, **more: Any) -> Any:
        other = next(one["id"] for one in pair if one["id"] != str(ask.volume_id))
        if not jobs:
            await ann("recoverVolume", id=other)
        job = await submit(ask, *rest, **more)
        jobs.append(job.id)
        return job

    with monkeypatch.context() as patched:
        patched.setattr(engine, "submit", meanwhile)
        await expunge_destroyed_volumes(engine, max(one.destroyed_at_ms for one in rows) + 10**9)
    assert len(jobs) == 1, "the one that was recovered is nobody's to expunge"
    await engine.runner.wait(jobs[0])
    assert (await ann("listVolumes"))["count"] == 1


async def test_protected_from_deletion(here: Place) -> None:
    volume = await make(here.ann)
    kept = await here.admin.job("updateVolume", id=volume["id"], deleteprotection="true")
    assert kept["volume"]["deleteprotection"] is True
    for command in ("deleteVolume", "destroyVolume"):
        error = await refusal(here.ann, command, id=volume["id"])
        assert "deleteprotection=false" in error["errortext"]
    await here.admin.job("updateVolume", id=volume["id"], deleteprotection="false")
    await here.ann("deleteVolume", id=volume["id"])


async def test_where_a_disk_is_cannot_be_said_otherwise(here: Place) -> None:
    _, data = await on_pool(here)
    for wrong in ({"path": "/etc/passwd"}, {"state": "Destroy"}, {"customid": str(uuid4())}):
        error = await refusal(here.admin, "updateVolume", id=data["id"], **wrong)
        assert next(iter(wrong)) in error["errortext"]
    same = await here.admin.job("updateVolume", id=data["id"], storageid=str(POOL), name="same")
    assert same["volume"]["name"] == "same"


async def test_given_to_another_account(here: Place) -> None:
    volume = await make(here.ann)
    bob = here.account("bob")
    assert (await refusal(here.ann, "assignVolume", volumeid=volume["id"], accountid=bob))[
        "errorcode"
    ] == 432
    given = (await here.admin("assignVolume", volumeid=volume["id"], accountid=bob))["volume"]
    assert given["account"] == "bob"
    assert await here.ann("listVolumes") == {}
    assert (await here.bob("listVolumes"))["count"] == 1
    _, data = await on_pool(here)
    error = await refusal(here.admin, "assignVolume", volumeid=data["id"], accountid=bob)
    assert "is attached" in error["errortext"]


async def test_no_volume_is_larger_than_the_setting(here: Place) -> None:
    await here.admin("updateConfiguration", name="storage.max.volume.size", value="3")
    error = await refusal(here.ann, "createVolume", zoneid=str(ZONE), diskofferingid=CUSTOM_DISK,
                          size=4)  # fmt: skip
    assert "storage.max.volume.size" in error["errortext"]
    volume = await make(here.ann)
    error = await refusal(here.ann, "resizeVolume", id=volume["id"], size=4)
    assert "storage.max.volume.size" in error["errortext"]
