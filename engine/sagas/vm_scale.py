"""Give a virtual machine the size of another offering: at once if it is stopped, else alive.

A running guest only grows. What it grows by is promised on its host's ledger before the host is
asked, and given back if the host says no.
"""

from __future__ import annotations

from msgspec.structs import replace

from aggregates.errors import NotAllowed
from aggregates.vm import Vm, VmState, VmWorkEnded
from aggregates.vm_life import VmGrowing
from engine.abilities import demand
from engine.allocator import GrowRequest
from engine.decisions.vm_life import scaled
from engine.growth import may_grow
from engine.intents.vm_life import ScaleVm
from engine.saga import Run, Saga
from engine.vm_snapshots import refuse_while_kept
from projections.service_offering import service_offerings
from projections.vm import vms

scale_vm = Saga("vm.scale:1", ScaleVm, subject="vm", subject_id=lambda ask: ask.vm_id)


def _vm(run: Run[ScaleVm]) -> Vm:
    return run.row(vms, run.intent.vm_id)


@scale_vm.step
def begin(run: Run[ScaleVm]) -> None:
    vm, ask = _vm(run), run.intent
    run.guard(run.row(service_offerings, ask.service_offering_id))
    refuse_while_kept(run.cloud, vm, "keeps its size")
    begun = vm.work("Scaling", run.id, VmState.RUNNING, VmState.STOPPED)
    if vm.state is VmState.RUNNING:
        demand(run, vm.hypervisor, "guest_growth", "grow_guest")
        may_grow(run.cloud, vm)
        _require_growth(vm, ask)
    run.change(vm, begun, VmGrowing(cpu_count=ask.cpu_count, memory_mib=ask.memory_mib))


def _require_growth(vm: Vm, ask: ScaleVm) -> None:
    smaller = [
        f"{what} {now} to {then}"
        for what, now, then in (
            ("cores", vm.cpu_count, ask.cpu_count),
            ("MHz", vm.cpu_mhz, ask.cpu_mhz),
            ("MiB", vm.memory_mib, ask.memory_mib),
        )
        if then < now
    ]
    if smaller:
        raise NotAllowed(
            f"virtual machine {vm.name} is Running and would shrink ({', '.join(smaller)}): "
            "stop it first, or choose a larger offering"
        )


@begin.undo
def give_up(run: Run[ScaleVm]) -> None:
    run.change(_vm(run), VmWorkEnded())


@scale_vm.step
def hold_room(run: Run[ScaleVm]) -> None:
    """Only the growth is held anew, on the host that the guest is on."""
    vm, ask = _vm(run), run.intent
    if vm.host_id is None:
        return
    request = GrowRequest(
        vm_id=vm.id,
        host_id=vm.host_id,
        cpu_count=ask.cpu_count,
        more_cores=ask.cpu_count - vm.cpu_count,
        more_mhz=ask.cpu_count * ask.cpu_mhz - vm.cpu_count * vm.cpu_mhz,
        more_mib=ask.memory_mib - vm.memory_mib,
    )
    run.add(run.world.allocator.grow(request, run.key), run.key)


@hold_room.undo
def free_room(run: Run[ScaleVm]) -> None:
    run.add(run.world.allocator.release(run.key), run.key)


@scale_vm.step(
    timeout_s=120,
    pivot=True,
    no_undo="memory that a guest has taken into use is not pulled from under it",
)
async def grow_guest(run: Run[ScaleVm]) -> None:
    vm, ask = _vm(run), run.intent
    if vm.host_id is not None:
        session = await run.world.hosts.session(vm.host_id)
        await session.grow_guest(
            vm.id,
            cpu_count=ask.cpu_count,
            cpu_mhz=ask.cpu_mhz,
            memory_mib=ask.memory_mib,
            key=run.key,
        )


@scale_vm.step(no_undo="the last step: nothing after it can fail")
def has_grown(run: Run[ScaleVm]) -> None:
    vm = _vm(run)
    hold = run.key_of(hold_room) if vm.host_id is not None else None
    run.change(vm, replace(scaled(run.intent), hold=hold), VmWorkEnded())
