"""A guest gets another size, stopped and alive."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from cs import CloudStackApiException

from projections.capacity import Capacity
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import MEDIUM, SMALL, TEMPLATE, Place, named


async def grow_allowed(here: Place) -> None:
    await here.admin("updateConfiguration", name="enable.dynamic.scale.vm", value="true")
    await here.admin("updateTemplate", id=TEMPLATE, isdynamicallyscalable="true")


def held(here: Place, vm_id: str) -> tuple[int, int]:
    """MHz and MiB that are promised to the guest."""
    holds = list(here.controller.cloud.view(Capacity).holds_of_vm(UUID(vm_id)))
    return sum(h.cpu_mhz for h in holds), sum(h.memory_mib for h in holds)


def real(here: Place, vm_id: str) -> Any:
    world = here.controller.drivers.get("Simulator").world  # type: ignore[attr-defined]
    (guest,) = [g for g in world.residue().guests if str(g.guest_id) == vm_id]
    return guest


async def test_a_stopped_guest_gets_another_offering(here: Place) -> None:
    vm = await deploy(here.ann)
    with pytest.raises(CloudStackApiException, match="stop it first"):
        await here.ann("changeServiceForVirtualMachine", id=vm["id"], serviceofferingid=MEDIUM)
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    changed = (
        await here.ann("changeServiceForVirtualMachine", id=vm["id"], serviceofferingid=MEDIUM)
    )["virtualmachine"]
    assert (changed["cpuspeed"], changed["memory"]) == (1000, 1024)
    assert changed["serviceofferingname"] == "Medium Instance"
    await here.ann.job("startVirtualMachine", id=vm["id"])
    assert held(here, vm["id"]) == (1000, 1024)
    assert real(here, vm["id"]).memory_mib == 1024


async def test_a_running_guest_grows_if_all_agree(here: Place) -> None:
    vm = await deploy(here.ann)
    ask = {"id": vm["id"], "serviceofferingid": MEDIUM}
    with pytest.raises(CloudStackApiException, match=r"enable\.dynamic\.scale\.vm is false"):
        await here.ann.job("scaleVirtualMachine", **ask)
    await grow_allowed(here)
    grown = (await here.ann.job("scaleVirtualMachine", **ask))["virtualmachine"]
    assert (grown["state"], grown["memory"]) == ("Running", 1024)
    assert held(here, vm["id"]) == (1000, 1024)
    assert real(here, vm["id"]).memory_mib == 1024
    with pytest.raises(CloudStackApiException, match="would shrink"):
        await here.ann.job("scaleVirtualMachine", id=vm["id"], serviceofferingid=SMALL)
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    assert held(here, vm["id"]) == (0, 0)


async def test_a_full_host_says_what_is_short_and_nothing_changes(here: Place) -> None:
    await grow_allowed(here)
    huge = await here.admin(
        "createServiceOffering", name="huge", displaytext="huge", cpunumber=2, cpuspeed=1000,
        memory=20 * 1024,
    )  # fmt: skip
    ann = {"account": "ann", "domainid": str(named("domain ann"))}
    await here.admin("updateResourceLimit", resourcetype=9, max=-1, **ann)
    vm = await deploy(here.ann)
    ask = {"id": vm["id"], "serviceofferingid": huge["serviceoffering"]["id"]}
    with pytest.raises(CloudStackApiException, match="MiB more and its host has"):
        await here.ann.job("scaleVirtualMachine", **ask)
    after = await here.ann.one("listVirtualMachines", "virtualmachine", id=vm["id"])
    assert (after["memory"], after["state"]) == (512, "Running")
    assert held(here, vm["id"]) == (500, 512)


async def test_a_custom_offering_is_sized_by_details(here: Place) -> None:
    custom = await here.admin(
        "createServiceOffering", name="custom", displaytext="custom", customized="true",
        mincpunumber=1, maxcpunumber=4, minmemory=256, maxmemory=2048, cpuspeed=500,
    )  # fmt: skip
    offering = custom["serviceoffering"]["id"]
    vm = await deploy(here.ann, startvm="false")
    with pytest.raises(CloudStackApiException, match="allows 256 to 2048"):
        await here.ann(
            "changeServiceForVirtualMachine", id=vm["id"], serviceofferingid=offering,
            details={"cpuNumber": 2, "memory": 4096},
        )  # fmt: skip
    changed = await here.ann(
        "changeServiceForVirtualMachine", id=vm["id"], serviceofferingid=offering,
        details={"cpuNumber": 2, "memory": 768},
    )  # fmt: skip
    after = changed["virtualmachine"]
    assert (after["cpunumber"], after["memory"], after["cpuspeed"]) == (2, 768, 500)
