"""What a kind of hypervisor cannot do is refused before anything starts, with its own reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cs import CloudStackApiException

from projections.capacity import Capacity
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import CUSTOM_DISK, ISOLATED, ZONE, Place, settled

WHY = "these machines were built without it"


def lacks(here: Place, *, can: bool = False, **cannot: str) -> None:
    """From now on the simulated kind lacks these."""
    driver: Any = here.controller.drivers.get("Simulator")
    off = {name: can for name in cannot if hasattr(driver.capabilities, name)}
    driver.capabilities = replace(driver.capabilities, cannot=cannot, **off)


async def refused(client: Any, command: str, **params: Any) -> None:
    with pytest.raises(CloudStackApiException, match=WHY):
        await client.job(command, **params)


async def test_what_a_running_guest_is_refused(here: Place) -> None:
    vm = await deploy(here.ann)
    root = await here.ann.one("listVolumes", "volume", virtualmachineid=vm["id"])
    lacks(here, disk_hot_plug=WHY, resize_disk=WHY, snapshots=WHY, live_migration=WHY)
    size = {"diskofferingid": CUSTOM_DISK, "size": "1", "zoneid": str(ZONE), "name": "data"}
    data = (await here.ann.job("createVolume", **size))["volume"]
    before = await settled(here.controller.cloud)

    await refused(here.ann, "attachVolume", id=data["id"], virtualmachineid=vm["id"])
    await refused(here.ann, "resizeVolume", id=root["id"], size="40")
    await refused(here.ann, "createSnapshot", volumeid=root["id"])
    await refused(here.admin, "migrateVirtualMachine", virtualmachineid=vm["id"])

    assert here.controller.cloud.position == before, "a refusal writes nothing"
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    await here.ann.job("attachVolume", id=data["id"], virtualmachineid=vm["id"])


async def test_a_guest_that_the_kind_cannot_run_is_not_deployed(here: Place) -> None:
    lacks(here, data_disks=WHY, uefi=WHY, several_nics=WHY)
    with pytest.raises(CloudStackApiException, match=WHY):
        await deploy(here.ann, diskofferingid=CUSTOM_DISK, size="1")
    with pytest.raises(CloudStackApiException, match=WHY):
        await deploy(here.ann, boottype="UEFI", bootmode="LEGACY")
    assert await here.ann("listVirtualMachines") == {}
    vm = await deploy(here.ann)
    other = await here.ann("createNetwork", name="n2", zoneid=str(ZONE), networkofferingid=ISOLATED)
    nic = {"virtualmachineid": vm["id"], "networkid": other["network"]["id"]}
    await refused(here.ann, "addNicToVirtualMachine", **nic)


async def test_a_dry_run_says_it_too(here: Place) -> None:
    vm = await deploy(here.ann)
    root = await here.ann.one("listVolumes", "volume", virtualmachineid=vm["id"])
    lacks(here, resize_disk=WHY)
    with pytest.raises(CloudStackApiException, match=WHY):
        await here.ann("resizeVolume", id=root["id"], size="40", dryrun="true")


async def test_a_kind_is_described_by_its_driver(here: Place) -> None:
    listed = await here.admin("listHypervisorCapabilities", hypervisor="Simulator")
    assert "cannot" not in listed["hypervisorCapabilities"][0]
    lacks(here, resize_disk=WHY)
    ask = {"zoneid": str(ZONE), "hypervisor": "Simulator", "clustertype": "CloudManaged"}
    pod = (await here.admin("listPods"))["pod"][0]["id"]
    await here.admin("addCluster", clustername="later", podid=pod, **ask)
    listed = await here.admin("listHypervisorCapabilities", hypervisor="Simulator")
    assert listed["hypervisorCapabilities"][0]["cannot"] == {"resize_disk": WHY}
    kinds = {one["name"] for one in (await here.admin("listHypervisors"))["hypervisor"]}
    assert {"KVM", "Simulator"} <= kinds


async def test_one_guest_has_a_machine_for_itself(here: Place) -> None:
    driver: Any = here.controller.drivers.get("Simulator")
    driver.capabilities = replace(driver.capabilities, whole_host=True)
    hosts = here.controller.cloud.view(Capacity).hosts

    first, second = await deploy(here.ann), await deploy(here.ann)

    used = [slot for slot in hosts.numbered.values() if hosts.free_mib[slot] == 0]
    assert len(used) == 2, "each took all that its machine offers"
    assert len({first["id"], second["id"]}) == 2
    with pytest.raises(CloudStackApiException, match="cluster main is promised"):
        await deploy(here.ann)
    await here.admin.job("destroyVirtualMachine", id=first["id"], expunge="true")
    await deploy(here.ann)
