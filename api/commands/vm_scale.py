"""Give a virtual machine the size of another offering."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.commands.vm_checks import size_of
from api.declare import Caller, Job, Names, Wire, command, part
from api.errors import InvalidValue
from api.views.vm import VmView
from engine.intents.vm_life import ResizeStoppedVm, ScaleVm
from projections.service_offering import service_offerings
from projections.vm import Vm, vms
from projections.zone import zones

LONG = Wire(type="long")
SIZES = ("cpunumber", "cpuspeed", "memory")


@part
class Resizing:
    """What both ways of changing the size take."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    service_offering_id: Annotated[UUID, "the offering to have", Names("service_offering")]
    details: Annotated[
        dict[str, str] | None, "cpuNumber, cpuSpeed (MHz) and memory (MiB) of a custom offering"
    ] = None
    min_iops: Annotated[int | None, "not offered: root disks keep theirs", LONG] = None
    max_iops: Annotated[int | None, "not offered: root disks keep theirs", LONG] = None
    auto_migrate: Annotated[bool | None, "ignored: it is never moved for a root disk's sake"] = None
    shrink_ok: Annotated[bool | None, "ignored: a root disk never shrinks"] = None

    def settled(self, caller: Caller) -> ScaleVm:
        """The size that is meant, checked against the offering."""
        vm = caller.cloud[vms][self.id]
        if self.min_iops is not None or self.max_iops is not None:
            raise InvalidValue("miniops and maxiops are a volume's: see changeOfferingForVolume")
        offering = caller.cloud[service_offerings][self.service_offering_id]
        size = size_of(offering, self.details or {}, caller.cloud[zones][vm.zone_id])
        kept = {name: value for name, value in vm.details.items() if name.lower() not in SIZES}
        return ScaleVm(
            vm_id=vm.id,
            service_offering_id=offering.id,
            cpu_count=size.cpu_count,
            cpu_mhz=size.cpu_mhz,
            memory_mib=size.memory_mib,
            host_tags=size.host_tags,
            details=kept | {name: value or "" for name, value in (self.details or {}).items()},
        )


@command(
    "changeServiceForVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    action="VM.UPGRADE",
)
class ChangeServiceForVirtualMachine(Resizing):
    """Give a stopped virtual machine the size of another offering."""

    async def run(self, caller: Caller) -> Vm:
        await caller.decide(ResizeStoppedVm(scale=self.settled(caller)))
        return caller.cloud[vms][self.id]


@command(
    "scaleVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    action="VM.UPGRADE",
)
class ScaleVirtualMachine(Resizing):
    """Give a virtual machine the size of another offering, alive if it runs and may grow."""

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(self.settled(caller))
