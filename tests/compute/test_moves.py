"""Guests move to hosts that do not share their disks, and say where they could go."""

from __future__ import annotations

from typing import Any

import pytest
from cs import CloudStackApiException

from drivers.sim import Fault
from engine.intents import SYSTEM
from engine.intents.storage_pool import AddStoragePool
from projections.space import Space
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import CUSTOM_DISK, MAIN, POD, POOL, SPARE, ZONE, Place, named

FAR = named("far pool")


async def far_pool(here: Place) -> None:
    """A pool for the cluster that had none."""
    ask = AddStoragePool(
        id=FAR, name="far", url="sim://far?capacity_gib=100", scope="CLUSTER",
        zone_id=ZONE, pod_id=POD, cluster_id=SPARE,
    )  # fmt: skip
    await here.controller.engine.perform(ask, SYSTEM)


def world(here: Place) -> Any:
    return here.controller.drivers.get("Simulator").world  # type: ignore[attr-defined]


def pools_used(here: Place) -> set[str]:
    return {disk.pool for disk in world(here).residue().disks}


async def test_a_guest_moves_with_its_disks_to_another_cluster(here: Place) -> None:
    await far_pool(here)
    vm = await deploy(here.ann, diskofferingid=CUSTOM_DISK, size=1)
    suited = await here.admin("findHostsForMigration", virtualmachineid=vm["id"])
    by_name = {one["name"]: one for one in suited["host"]}
    assert by_name["tenant-h3"]["requiresStorageMotion"] is True
    assert by_name["tenant-h3"]["suitableformigration"] is True
    assert suited["count"] == 2
    target = by_name["tenant-h3"]["id"]
    with pytest.raises(CloudStackApiException, match="no host has room"):
        await here.admin.job("migrateVirtualMachine", virtualmachineid=vm["id"], hostid=target)
    moved = await here.admin.job(
        "migrateVirtualMachineWithVolume", virtualmachineid=vm["id"], hostid=target
    )
    after = moved["virtualmachine"]
    assert (after["state"], after["hostname"]) == ("Running", "tenant-h3")
    assert pools_used(here) == {"sim://far"}
    assert {h.pool_id for h in here.controller.cloud.view(Space).holds.values()} == {FAR}
    (guest,) = world(here).residue().guests
    assert guest.host == "sim://tenant-h3"
    assert all(disk.path.startswith("sim://far/") for disk in guest.disks)
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    await here.ann.job("startVirtualMachine", id=vm["id"])


async def test_a_pool_may_be_named_for_a_disk(here: Place) -> None:
    await far_pool(here)
    vm = await deploy(here.ann)
    other = await deploy(here.ann, diskofferingid=CUSTOM_DISK, size=1)
    root = await here.admin.one("listVolumes", "volume", virtualmachineid=vm["id"], listall="true")
    theirs = await here.admin.one("listVolumes", "volume", virtualmachineid=other["id"],
                                  type="DATADISK", listall="true")  # fmt: skip
    ask = {"virtualmachineid": vm["id"], "migrateto[0].pool": str(FAR)}
    with pytest.raises(CloudStackApiException, match="is no disk of virtual machine"):
        await here.admin(
            "migrateVirtualMachineWithVolume", **ask, **{"migrateto[0].volume": theirs["id"]}
        )
    near = (await here.admin("findHostsForMigration", virtualmachineid=vm["id"]))["host"][0]
    with pytest.raises(CloudStackApiException, match="no pool has room"):
        await here.admin.job(
            "migrateVirtualMachineWithVolume", hostid=near["id"], **ask,
            **{"migrateto[0].volume": root["id"]},
        )  # fmt: skip
    after = await here.admin.one("listVirtualMachines", "virtualmachine", id=vm["id"])
    assert after["state"] == "Running"


async def test_a_refused_move_leaves_it_where_it_was(here: Place) -> None:
    await far_pool(here)
    vm = await deploy(here.ann)
    sim = here.controller.drivers.get("Simulator")
    sim.faults.fail("migrate_guest", Fault.REFUSED, nth=1)  # type: ignore[attr-defined]
    with pytest.raises(CloudStackApiException, match="refused, by seed"):
        await here.admin.job(
            "migrateVirtualMachineWithVolume", virtualmachineid=vm["id"],
            hostid=str(named("host 3")),
        )  # fmt: skip
    after = await here.admin.one("listVirtualMachines", "virtualmachine", id=vm["id"])
    assert (after["state"], pools_used(here)) == ("Running", {"sim://tenant-pool"})
    assert len(here.controller.cloud.view(Space).holds) == 1


async def test_the_disks_of_a_stopped_guest_move_to_another_pool(here: Place) -> None:
    near = AddStoragePool(
        id=named("near pool"), name="near", url="sim://near?capacity_gib=100", scope="CLUSTER",
        zone_id=ZONE, pod_id=POD, cluster_id=MAIN,
    )  # fmt: skip
    await here.controller.engine.perform(near, SYSTEM)
    vm = await deploy(here.ann, diskofferingid=CUSTOM_DISK, size=1)
    (there,) = pools_used(here)
    other = {"sim://near": POOL, "sim://tenant-pool": near.id}[there]
    ask = {"virtualmachineid": vm["id"], "storageid": str(other)}
    with pytest.raises(CloudStackApiException, match="stop it first"):
        await here.admin.job("migrateVirtualMachine", **ask)
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    moved = await here.admin.job("migrateVirtualMachine", **ask)
    assert moved["virtualmachine"]["state"] == "Stopped"
    assert pools_used(here) == {"sim://near", "sim://tenant-pool"} - {there}
    await here.ann.job("startVirtualMachine", id=vm["id"])
