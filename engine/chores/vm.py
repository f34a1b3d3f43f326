"""What becomes of guests when time has come: destroyed ones are expunged, fallen ones started."""

from __future__ import annotations

from aggregates.errors import DomainError
from aggregates.vm import Vm, VmState
from engine.chores.chore import BY, chore
from engine.engine import Engine
from engine.intents.vm import ExpungeVm, StartVm
from projections.service_offering import service_offerings
from projections.setting import number_of
from projections.vm import vms

STARTED_A_ROUND = 20


@chore(setting="expunge.interval")
async def expunge_destroyed_guests(engine: Engine, now_ms: int) -> None:
    """Expunge what was destroyed longer ago than its owner has to think it over."""
    delay_ms = 1000 * number_of(engine.cloud, "expunge.delay")
    due = [
        vm
        for vm in engine.cloud[vms].by("state", VmState.DESTROYED)
        if vm.job_id is None and vm.state_at_ms + delay_ms <= now_ms
    ]
    for vm in due[: int(number_of(engine.cloud, "expunge.workers"))]:
        await _submit(engine, ExpungeVm(vm_id=vm.id))


@chore(every_s=15)
async def restart_fallen_guests(engine: Engine, now_ms: int) -> None:
    """Start guests of offerings with high availability again that stopped without being asked to.

    Only a guest that a reconciler recorded as stopped comes here: its host answered and did not
    run it. What a silent host runs nobody knows, so nothing is started for it.
    """
    retry_ms = 1000 * number_of(engine.cloud, "restart.retry.interval")
    due = [
        vm
        for vm in engine.cloud[vms].having("why_stopped", bool)
        if vm.state is VmState.STOPPED
        and vm.job_id is None
        and _is_due(engine, vm, retry_ms, now_ms)
    ]
    for vm in due[:STARTED_A_ROUND]:
        await _submit(engine, StartVm(vm_id=vm.id))


def _is_due(engine: Engine, vm: Vm, retry_ms: float, now_ms: int) -> bool:
    """At once when it fell, and after a while when starting it has failed since.

    The row says which: the log's clock may stand still, while the machine's is set back.
    """
    offering = engine.cloud[service_offerings].get(vm.service_offering_id)
    if offering is None or not offering.offer_ha:
        return False
    untried = vm.stopped_at_ms > 0
    return untried or vm.state_at_ms + retry_ms <= now_ms


async def _submit(engine: Engine, ask: object) -> None:
    """Somebody may have been faster; the next round looks again."""
    try:
        await engine.submit(ask, BY)
    except DomainError:
        return
