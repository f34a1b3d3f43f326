"""Connect to a host anew. If it does not answer it is Disconnected, and offers nothing."""

from __future__ import annotations

from aggregates.host import HostConnected, HostDisconnected, HostState
from engine.decisions.host import supply
from engine.intents.host import ReconnectHost
from engine.saga import Run, Saga
from engine.sagas.host_add import ONCE_MORE, ask_facts
from projections.host import hosts

reconnect_host = Saga(
    "host.reconnect:1", ReconnectHost, subject="host", subject_id=lambda ask: ask.id
)


@reconnect_host.step
def begin(run: Run[ReconnectHost]) -> None:
    run.row(hosts, run.intent.id).idle()


@begin.undo
def give_up(run: Run[ReconnectHost]) -> None:
    host = run.row(hosts, run.intent.id)
    if host.state is HostState.UP:
        run.change(host, HostDisconnected(why="it did not answer when asked to reconnect"))
        supply(run, host.id)


@reconnect_host.step(timeout_s=60, patience=ONCE_MORE, no_undo="it only asks")
async def connect(run: Run[ReconnectHost]) -> HostConnected:
    await run.world.hosts.drop(run.intent.id)
    return await ask_facts(await run.world.hosts.session(run.intent.id))


@reconnect_host.step(no_undo="the last step: nothing after it can fail")
def record(run: Run[ReconnectHost]) -> None:
    host = run.row(hosts, run.intent.id)
    run.change(host, run[connect])
    supply(run, host.id)
