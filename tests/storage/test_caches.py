"""What pools keep of images, how disks are laid out, and limits that reach running guests."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drivers.contract.compute import DiskLimits
from drivers.sim.rows import SimDisk
from engine.genesis import stable_id
from engine.reconcilers.sweep import Sweeper
from projections.storage_pool import storage_pools
from tests.storage.test_snapshots import root_of, simulated
from tests.storage.test_volume_moves import offer, on_pool
from tests.tenant.test_refusals import refusal
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import POOL, Place

LINUX = str(stable_id("os_type", "Other Linux (64-bit)"))


async def golden(here: Place) -> str:
    """A template of ann's own, made of a guest that is gone."""
    vm = await deploy(here.ann)
    root = await root_of(here.ann, vm["id"])
    await here.ann.job("stopVirtualMachine", id=vm["id"], forced="true")
    ask = {"name": "golden", "ostypeid": LINUX, "volumeid": root["id"]}
    made = (await here.ann.job("createTemplate", **ask))["template"]
    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    return str(made["id"])


def kept(here: Place) -> set[str]:
    """The images in the pool."""
    pool = simulated(here).pool(here.controller.engine.cloud[storage_pools][POOL].url)
    return {str(image_id) for image_id in pool.image_ids}


async def look_twice(here: Place) -> None:
    engine: Any = here.controller.engine
    sweeper = Sweeper(engine, here.controller.hosts, engine._clock, every_s=1)
    for _ in range(2):
        await sweeper.sweep()


def disk_of(here: Place, volume_id: str) -> SimDisk:
    disks = simulated(here).residue().disks
    return next(disk for disk in disks if str(disk.volume_id) == volume_id)


def limits_of(here: Place, vm_id: str, volume_id: str) -> DiskLimits:
    """What the simulated guest is held to."""
    (guest,) = (g for g in simulated(here).residue().guests if str(g.guest_id) == vm_id)
    return next(disk.limits for disk in guest.disks if str(disk.volume_id) == volume_id)


async def test_what_is_kept_of_a_template_goes_after_its_last_disk(here: Place) -> None:
    template_id = await golden(here)
    vm = await deploy(here.ann, templateid=template_id)
    assert template_id in kept(here)
    await here.ann.job("deleteTemplate", id=template_id)
    await look_twice(here)
    assert template_id in kept(here), "a disk rests on it"
    await here.ann.job("rebootVirtualMachine", id=vm["id"])
    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    others = kept(here) - {template_id}
    await look_twice(here)
    assert kept(here) == others


async def test_a_template_stays_until_its_guest_is_made(here: Place) -> None:
    """Its guest would start from a blank disk otherwise."""
    template_id = await golden(here)
    vm = await deploy(here.ann, templateid=template_id, startvm="false")
    error = await refusal(here.ann, "deleteTemplate", id=template_id)
    assert "is still to be made of template golden" in error["errortext"]
    await here.ann.job("startVirtualMachine", id=vm["id"])
    root = await root_of(here.ann, vm["id"])
    assert disk_of(here, root["id"]).image_id == UUID(template_id)
    await here.ann.job("deleteTemplate", id=template_id)


async def test_a_fat_disk_rests_on_nothing(here: Place) -> None:
    template_id = await golden(here)
    fat = await offer(here, name="fat", customized="true", provisioningtype="fat")
    vm = await deploy(
        here.ann, templateid=template_id, overridediskofferingid=fat["id"], rootdisksize=3
    )
    root = await root_of(here.ann, vm["id"])
    assert (root["provisioningtype"], disk_of(here, root["id"]).image_id) == ("fat", None)
    await here.ann.job("deleteTemplate", id=template_id)
    await look_twice(here)
    assert template_id not in kept(here)


async def test_new_limits_reach_a_guest_that_runs(here: Place) -> None:
    vm, data = await on_pool(here)
    assert limits_of(here, vm["id"], data["id"]) == DiskLimits()
    slow = await offer(here, name="slow", maxiops=100, bytesreadrate=1000)
    ask = {"id": data["id"], "diskofferingid": slow["id"]}
    await here.ann.job("changeOfferingForVolume", **ask)
    assert limits_of(here, vm["id"], data["id"]) == DiskLimits(total_iops=100, read_bytes=1000)
    free = await offer(here, name="free")
    await here.ann.job("resizeVolume", id=data["id"], diskofferingid=free["id"], size=5)
    assert limits_of(here, vm["id"], data["id"]) == DiskLimits()
    await here.ann.job("stopVirtualMachine", id=vm["id"], forced="true")
    await here.ann.job("changeOfferingForVolume", **ask)
    await here.ann.job("startVirtualMachine", id=vm["id"])
    assert limits_of(here, vm["id"], data["id"]).total_iops == 100


async def test_a_service_offering_limits_root_disks(here: Place) -> None:
    size = {"cpunumber": 1, "cpuspeed": 100, "memory": 128}
    made = await here.admin(
        "createServiceOffering", name="slow", displaytext="slow", iopsreadrate=50, **size
    )
    vm, _ = await on_pool(here)
    root = await here.ann.one("listVolumes", "volume", virtualmachineid=vm["id"], type="ROOT")
    assert limits_of(here, vm["id"], root["id"]) == DiskLimits()
    await here.ann.job("stopVirtualMachine", id=vm["id"], forced="true")
    change = {"id": vm["id"], "serviceofferingid": made["serviceoffering"]["id"]}
    await here.ann("changeServiceForVirtualMachine", **change)
    await here.ann.job("startVirtualMachine", id=vm["id"])
    assert limits_of(here, vm["id"], root["id"]) == DiskLimits(read_iops=50)
