"""Prepare a host for maintenance: nothing new is placed on it, and every guest moves away."""

from __future__ import annotations

from aggregates.host import HostMaintenanceEntered, HostMaintenanceFailed, ResourceState
from engine import evacuation
from engine.decisions.host import supply
from engine.intents.host import PrepareHost
from engine.saga import Run, Saga
from projections.host import hosts

maintain_host = Saga("host.maintain:1", PrepareHost, subject="host", subject_id=lambda ask: ask.id)


@maintain_host.step
def begin(run: Run[PrepareHost]) -> None:
    host = run.row(hosts, run.intent.id)
    begun = host.prepare_maintenance(run.id)
    evacuation.refuse_if_stuck(run, host)
    run.change(host, begun)
    supply(run, host.id)


@begin.undo
def serve_again(run: Run[PrepareHost]) -> None:
    run.change(run.row(hosts, run.intent.id), HostMaintenanceFailed())
    supply(run, run.intent.id)


@maintain_host.step(
    timeout_s=3600,
    patience=evacuation.UNTIL_EMPTY,
    no_undo="guests that moved away are well where they are",
)
async def evacuate(run: Run[PrepareHost]) -> int:
    """Says how many guests there were."""
    return await evacuation.evacuate(run, run.intent.id)


@maintain_host.step(no_undo="the last step: nothing after it can fail")
def enter(run: Run[PrepareHost]) -> None:
    host = run.row(hosts, run.intent.id)
    assert host.resource_state is ResourceState.PREPARING
    run.change(host, HostMaintenanceEntered())
