"""A guest whose lease has run out is stopped or destroyed, as its owner chose."""

from __future__ import annotations

from uuid import uuid5

from aggregates.errors import DomainError
from engine.chores.chore import BY, chore
from engine.engine import Engine
from engine.intents.vm import DestroyVm, LeaseVm, StopVm
from projections.vm import vms


@chore(every_s=60)
async def end_leases(engine: Engine, now_ms: int) -> None:
    """The job's id comes from the lease, so a lease ends once, whatever happens in between."""

    def is_over(ends_at_ms: int) -> bool:
        return 0 < ends_at_ms <= now_ms

    for vm in list(engine.cloud[vms].having("lease_ends_at_ms", is_over)):
        if not is_over(vm.lease_ends_at_ms):
            continue  # its lease was made longer while others ended
        ask = DestroyVm(vm_id=vm.id) if vm.lease_action == "DESTROY" else StopVm(vm_id=vm.id)
        try:
            await engine.submit(ask, BY, run_id=uuid5(vm.id, f"lease/{vm.lease_ends_at_ms}"))
            await engine.decide(LeaseVm(vm_id=vm.id, ends_at_ms=0, action=""), BY)
        except DomainError:
            continue  # another job has it, or it is protected: its time comes again
