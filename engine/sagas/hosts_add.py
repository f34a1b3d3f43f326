"""Add the hosts that one address stands for (a vCenter's cluster, a pool, a region).

Each is added by a job of its own; if one cannot be, those that were added go again, and nothing is
left. Hosts that join later are added by the same address.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from drivers.contract.errors import Refused
from engine.decide import Desk
from engine.decisions.record import remove as remove_record
from engine.intents import SYSTEM
from engine.intents.host import AddHost, AddHosts, RemoveHost
from engine.intents.record import RemoveRecord
from engine.saga import Run, Saga
from engine.sagas.host_add import make_cluster
from projections.host import hosts
from projections.saga import saga_runs

ADD_S = 1800.0

add_hosts = Saga("hosts.add:1", AddHosts, subject="cluster", subject_id=lambda ask: ask.cluster_id)


@add_hosts.step
def accept(run: Run[AddHosts]) -> None:
    if run.intent.new_cluster:
        make_cluster(run, run.intent.hosts[0], run.intent.new_cluster)


@accept.undo
def forget(run: Run[AddHosts]) -> None:
    if run.intent.new_cluster:
        assert run.draft is not None
        desk = Desk(run.draft, run.world, SYSTEM)
        remove_record(RemoveRecord(kind="cluster", id=run.intent.cluster_id), desk)


@add_hosts.step(timeout_s=ADD_S)
async def add_each(run: Run[AddHosts]) -> None:
    for number, ask in enumerate(run.intent.hosts):
        await run.progress(100 * number // len(run.intent.hosts), f"adding {ask.url}")
        if why := await _child(run, ask, _run_id(run, ask, "add")):
            raise Refused(f"host {ask.url} cannot be added, so none of its cluster is: {why}")


@add_each.undo
async def remove_each(run: Run[AddHosts]) -> None:
    """Once each that was begun is over. What was sealed for one that was not goes as well."""
    for ask in run.intent.hosts:
        if _run_id(run, ask, "add") in run.cloud[saga_runs]:
            await run.world.children.outcome(_run_id(run, ask, "add"))
        if ask.id in run.cloud[hosts]:
            if why := await _child(run, RemoveHost(id=ask.id), _run_id(run, ask, "remove")):
                raise Refused(f"host {ask.url} cannot be removed: {why}")
        elif ask.password_ref:
            await run.world.vault.shred(UUID(ask.password_ref))


async def _child(run: Run[AddHosts], ask: Any, run_id: UUID) -> str:
    await run.world.children.submit(ask, SYSTEM, run_id=run_id)
    return await run.world.children.outcome(run_id)


def _run_id(run: Run[AddHosts], ask: AddHost, what: str) -> UUID:
    return uuid5(run.key_of(add_each), f"{what} {ask.id}")
