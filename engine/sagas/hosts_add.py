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
from engine.retry import Patience
from engine.saga import Run, Saga
from engine.sagas.host_add import make_cluster
from projections.host import hosts

ADD_S = 1800.0
ONE_TRY = Patience(attempts=1)

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


@add_hosts.step(timeout_s=ADD_S, patience=ONE_TRY)
async def add_each(run: Run[AddHosts]) -> None:
    for number, ask in enumerate(run.intent.hosts):
        await run.progress(100 * number // len(run.intent.hosts), f"adding {ask.url}")
        if why := await _child(run, ask, "add"):
            raise Refused(f"host {ask.url} cannot be added, so none of its cluster is: {why}")


@add_each.undo
async def remove_each(run: Run[AddHosts]) -> None:
    """What was sealed for a host that was never reached goes as well."""
    for ask in run.intent.hosts:
        if ask.id in run.cloud[hosts]:
            if why := await _child(run, RemoveHost(id=ask.id), "remove", ask):
                raise Refused(f"host {ask.url} cannot be removed: {why}")
        elif ask.password_ref:
            await run.world.vault.shred(UUID(ask.password_ref))


async def _child(run: Run[AddHosts], ask: Any, what: str, of: AddHost | None = None) -> str:
    run_id = uuid5(run.key_of(add_each), f"{what} {(of or ask).id}")
    await run.world.children.submit(ask, SYSTEM, run_id=run_id)
    return await run.world.children.outcome(run_id)
