"""Storage pools out of service and back, with limits, and which volumes they take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.chores.storage_pool import tell_pools_their_thresholds
from engine.intents import SYSTEM
from engine.intents.storage_pool import MeasureStoragePool
from tests.storage.test_snapshots import root_of, take
from tests.storage.test_volume_moves import FAST, fast_pool, on_pool
from tests.tenant.test_job_life import until
from tests.tenant.test_refusals import refusal
from tests.tenant.test_vm_life import deploy, state_of
from tests.tenant.test_volumes import make
from tests.tenant.world import GIB, POOL, Place, place


async def pool(here: Place, pool_id: object = POOL) -> Any:
    return await here.admin.one("listStoragePools", "storagepool", id=str(pool_id))


async def test_maintenance_stops_guests_and_starts_them_again(here: Place) -> None:
    vm, data = await on_pool(here)
    off = await deploy(here.ann, name="off")
    await here.ann.job("stopVirtualMachine", id=off["id"])
    entered = await here.admin.job("enableStorageMaintenance", id=str(POOL))
    assert entered["storagepool"]["state"] == "Maintenance"
    assert await state_of(here.ann, vm["id"]) == "Stopped"
    for command, params in (
        ("startVirtualMachine", {"id": vm["id"]}),
        ("startVirtualMachine", {"id": off["id"]}),
    ):
        error = await refusal(here.ann, command, **params)
        assert "is in maintenance" in error["errortext"]
    error = await refusal(here.ann, "createSnapshot", volumeid=data["id"])
    assert "is disabled" in error["errortext"]
    error = await refusal(here.admin, "enableStorageMaintenance", id=str(POOL))
    assert "only one that is Up" in error["errortext"]
    served = await here.admin.job("cancelStorageMaintenance", id=str(POOL))
    assert served["storagepool"]["state"] == "Up"
    assert await state_of(here.ann, vm["id"]) == "Running"
    assert await state_of(here.ann, off["id"]) == "Stopped"
    error = await refusal(here.admin, "cancelStorageMaintenance", id=str(POOL))
    assert "not in maintenance" in error["errortext"]


async def test_a_parked_job_with_a_disk_in_it_is_told_at_once(tmp_path: Path) -> None:
    """It waits for a person: to wait for it would take the pool out of service for half an hour."""
    async with place(tmp_path, **{"fail.stop_guest": "#1:refused"}) as here:
        vm = await deploy(here.ann)
        job_id = (await here.ann("destroyVirtualMachine", id=vm["id"]))["jobid"]
        await until(here.ann, job_id, "Parked")
        asked = await here.admin("enableStorageMaintenance", id=str(POOL))
        told = await until(here.admin, asked["jobid"], "Failed")
        assert f"job {job_id}'s, which is parked" in told["jobresult"]["errortext"]
        assert (await pool(here))["state"] == "Up"


async def test_a_disk_that_was_moved_away_runs(here: Place) -> None:
    vm, data = await on_pool(here)
    await fast_pool(here)
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    await here.admin.job("enableStorageMaintenance", id=str(POOL))
    root = await root_of(here.ann, vm["id"])
    for volume in (data, root):
        await here.admin.job("migrateVolume", volumeid=volume["id"], storageid=str(FAST))
    await here.ann.job("startVirtualMachine", id=vm["id"])


async def test_what_an_operator_says_of_it(here: Place) -> None:
    asked = {"name": "renamed", "tags": "a,b", "capacitybytes": 3 * GIB, "capacityiops": 100}
    asked |= {"details[0].shelf": "4"}
    told = (await here.admin("updateStoragePool", id=str(POOL), **asked))["storagepool"]
    assert (told["name"], told["tags"], told["capacitybytes"]) == ("renamed", "a,b", 3 * GIB)
    assert (told["capacityiops"], told["details"]) == (100, {"shelf": "4"})
    await make(here.ann)
    vm = await deploy(here.ann)
    big = await make(here.ann, size=9)
    error = await refusal(here.ann, "attachVolume", id=big["id"], virtualmachineid=vm["id"])
    assert "bytes" in error["errortext"]
    error = await refusal(here.admin, "updateStoragePool", id=str(POOL), capacitybytes=2**60)
    assert "cannot offer more" in error["errortext"]
    await fast_pool(here)
    error = await refusal(here.admin, "updateStoragePool", id=str(FAST), name="renamed")
    assert "already" in error["errortext"]


async def test_new_volumes_stay_below_the_threshold(here: Place) -> None:
    """Volumes that are there may still grow into what is left."""
    setting = "pool.storage.allocated.capacity.disablethreshold"
    vm, data = await on_pool(here)
    await here.admin("updateConfiguration", name=setting, value="0.01")
    await tell_pools_their_thresholds(here.controller.engine, 0)
    other = await make(here.ann, size=30)
    error = await refusal(here.ann, "attachVolume", id=other["id"], virtualmachineid=vm["id"])
    assert "promises no more than 1%" in error["errortext"]
    grown = (await here.ann.job("resizeVolume", id=data["id"], size=30))["volume"]
    assert grown["size"] == 30 * GIB
    await here.admin("updateConfiguration", name=setting, value="0.9")
    await tell_pools_their_thresholds(here.controller.engine, 0)
    await here.ann.job("attachVolume", id=other["id"], virtualmachineid=vm["id"])


async def test_a_pool_goes_when_nothing_is_in_it(here: Place) -> None:
    _, data = await on_pool(here)
    await fast_pool(here)
    await here.admin.job(
        "migrateVolume", volumeid=data["id"], storageid=str(FAST), livemigrate="true"
    )
    kept = await take(here.ann, data["id"])
    await here.ann.job("detachVolume", id=data["id"])
    await here.ann.job("destroyVolume", id=data["id"])
    error = await refusal(here.admin, "deleteStoragePool", id=str(FAST))
    assert "lies in pool fast" in error["errortext"]
    error = await refusal(here.admin, "deleteStoragePool", id=str(FAST), forced="true")
    assert "snapshot" in error["errortext"]
    await here.ann.job("deleteSnapshot", id=kept["id"])
    assert await here.admin("deleteStoragePool", id=str(FAST), forced="true") == {"success": True}


async def test_a_pool_that_is_really_full_takes_no_more(here: Place) -> None:
    setting = "pool.storage.capacity.disablethreshold"
    engine = here.controller.engine
    vm, _ = await on_pool(here)
    await engine.decide(MeasureStoragePool(id=POOL, used_bytes=900 * GIB), SYSTEM)
    assert (await pool(here))["disksizeused"] == 900 * GIB
    other = await make(here.ann)
    ids = {"id": other["id"], "virtualmachineid": vm["id"]}
    assert "is disabled" in (await refusal(here.ann, "attachVolume", **ids))["errortext"]
    await here.admin("updateConfiguration", name=setting, value="0.95")
    await tell_pools_their_thresholds(engine, 0)
    await here.ann.job("attachVolume", **ids)
