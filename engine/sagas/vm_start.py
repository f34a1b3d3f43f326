"""Start a stopped virtual machine, where it ran last if there is room."""

from __future__ import annotations

from aggregates.vm import VmState, VmWorkEnded
from engine.guests import Where, add_running_steps
from engine.intents.vm import StartVm
from engine.owners import may_run
from engine.saga import Run, Saga
from projections.vm import vms

start_vm = Saga("vm.start:1", StartVm, subject="vm", subject_id=lambda ask: ask.vm_id)


@start_vm.step
def begin(run: Run[StartVm]) -> None:
    vm = run.row(vms, run.intent.vm_id)
    may_run(run.cloud, vm.account_id)
    run.change(vm, vm.begin(VmState.STARTING, run.id, VmState.STOPPED))


@begin.undo
def give_up(run: Run[StartVm]) -> None:
    run.change(run.row(vms, run.intent.vm_id), VmWorkEnded())


add_running_steps(
    start_vm,
    lambda ask: ask.vm_id,
    lambda ask: Where(ask.pod_id, ask.cluster_id, ask.host_id, ask.planner, ask.consider_last_host),
)
