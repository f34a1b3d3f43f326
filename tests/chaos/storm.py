"""One run: build a cloud on a cluster, let tenants ask and machines fail, and hear the judges."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

import aiohttp

from sagastack.settings import Settings
from sagastack.tools.opened import opened
from tests.chaos import judges
from tests.chaos.client import Client, Lost
from tests.chaos.consumer import Consumer
from tests.chaos.judges import Bench, Finding
from tests.chaos.load import Load
from tests.chaos.machines import Cluster, Setup, cluster
from tests.chaos.nemesis import Nemesis
from tests.chaos.pictures import picture
from tests.chaos.place import Place, build, is_quiet
from tests.chaos.visitor import Visitors

BUILD_S, SETTLE_S, QUIET_S, CATCH_UP_S = 120.0, 60.0, 120.0, 60.0
PICTURES = 5
TENANTS, CLIENTS_EACH, SHARERS_EACH, NAMERS_EACH, VISITORS = 3, 2, 2, 2, 2
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`seconds_s` is how long machines fail; building, settling and judging come on top.

    `pause_s`: how long a controller is stopped at the longest, if not for up to twenty seconds.
    `outage_s`: for how long Kafka is gone, once, from the beginning; 0 leaves it to chance.
    """

    setup: Setup
    seconds_s: float
    seed: int
    pause_s: float = 0.0
    outage_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Storm:
    """What is left of it in memory, for the judges."""

    load: Load
    nemesis: Nemesis
    visitors: Visitors


async def run(plan: Plan, say: Say) -> Bench:
    """The findings of all judges. Whatever is said on the way goes to `say`."""
    bench = Bench()
    async with cluster(plan.setup) as machines, aiohttp.ClientSession() as session:
        say(f"{len(machines.controllers)} controllers run; seed {plan.seed}")
        place = await _built(plan, machines, session)
        consumer = Consumer(machines.broker.servers) if machines.broker else None
        async with _beside(consumer):
            storm = await _storm(plan, machines, place, say)
            load, nemesis = storm.load, storm.nemesis
            quiet_s = await _quiet(machines, place)
            say(f"quiet after {quiet_s:.1f} s; {sum(load.ledger.said.values())} operations")
            _tell(load, nemesis, say)
            await _ask(machines, place, storm, bench)
            if consumer is not None:
                consumer.owed = await _caught_up(machines, consumer)
            for one in machines.controllers:
                await _stop(one.process, bench)
        await machines.world.end(signal.SIGTERM)
        await bench.hear("replay and seals", lambda: judges.tools_agree(machines))
        await judges.look(machines, bench, load.ledger, consumer)
        bench.findings.append(_came_through(machines, nemesis))
    return bench


async def _built(plan: Plan, machines: Cluster, session: aiohttp.ClientSession) -> Place:
    first = machines.controllers[0]
    found = await machines.tool("credentials", home=first.process.folder)
    assert found["status"] == 0, found
    return await build(
        session,
        machines.endpoints,
        (found["apikey"], found["secretkey"]),
        seed=plan.seed,
        until_s=monotonic() + BUILD_S,
        tenants=TENANTS,
    )


async def _storm(plan: Plan, machines: Cluster, place: Place, say: Say) -> Storm:
    """Load and failures at once; both have ended, and all is mended, when this returns."""
    until_s = monotonic() + plan.seconds_s
    load = Load(plan.seed, until_s, until_s + SETTLE_S)
    nemesis = Nemesis(machines, plan.seed, until_s, outage_s=plan.outage_s)
    if plan.pause_s:
        nemesis.pause_s = plan.pause_s * 0.9, plan.pause_s
    visitors = Visitors(place.admin.session, machines.endpoints, *place.visitor)
    work = [nemesis.run(), nemesis.watch(), *_askers(load, place)]
    if len(machines.controllers) > 1:  # a lone controller keeps sessions in its memory
        work += [visitors.run(load.rng(f"visitor {n}"), until_s) for n in range(VISITORS)]
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(one)
    for line in nemesis.story():
        say(line)
    return Storm(load, nemesis, visitors)


def _askers(load: Load, place: Place) -> Iterator[Coroutine[Any, Any, None]]:
    for name, client in place.tenants.items():
        for number in range(CLIENTS_EACH):
            who = f"{name}-{number}"
            yield load.keep_guests(who, name, client, place.admin, place.shape)
    for name, client in place.sharers.items():
        mine = [group for group, first in place.groups.items() if first.startswith(name)]
        for number in range(SHARERS_EACH):
            network = place.networks[name]
            yield load.keep_addresses(f"{name}-a{number}", name, client, network)
        for number in range(NAMERS_EACH):
            yield load.keep_names(f"{name}-n{number}", client, mine)


async def _quiet(machines: Cluster, place: Place) -> float:
    """Until no server knows of a job that goes on, some sweeps of the hosts in a row."""
    began = monotonic()
    calm_since: float | None = None
    while monotonic() - began < QUIET_S:
        calm = True
        for one in machines.controllers:
            try:
                calm = calm and await is_quiet(place.admin, one.number)
            except Lost:
                calm = False
        now = monotonic()
        calm_since = (calm_since or now) if calm else None
        if calm_since is not None and now - calm_since > 4 * machines.setup.reconcile_s:
            break
        await asyncio.sleep(0.5)
    return monotonic() - began


async def _ask(machines: Cluster, place: Place, storm: Storm, bench: Bench) -> None:
    """The judges who ask the servers; one more server has folded the log from its beginning."""
    ledger, nemesis, admin = storm.load.ledger, storm.nemesis, place.admin
    accounts = place.accounts
    await bench.hear("acknowledged is there", lambda: judges.acknowledged(ledger, admin))
    await bench.hear(
        "addresses are linearisable",
        lambda: judges.addresses(ledger, place.model, admin, accounts),
    )
    await bench.hear(
        "guests are within limits",
        lambda: judges.limits(ledger, admin, place.most_guests),
    )
    await bench.hear("names are linearisable", lambda: judges.names(ledger, nemesis, place.groups))
    await bench.hear(
        "reads follow writes", lambda: judges.reads_follow_writes(place.clients, nemesis)
    )
    if len(machines.controllers) > 1:
        await bench.hear("sessions are shared", lambda: judges.sessions(storm.visitors, nemesis))
    await bench.hear("projections are equal", lambda: _pictures(machines, admin))


async def _pictures(machines: Cluster, admin: Client) -> Finding:
    """Chores go on meanwhile, so pictures of two moments may differ: then all are taken again."""
    async with AsyncExitStack() as stack:
        fresh: Client | None = None
        if len(machines.controllers) > 1:
            newcomer = await machines.add(stack, "rebuilt")
            await newcomer.start()
            fresh = Client(admin.session, [newcomer.endpoint], admin.key, admin.secret, admin.rng)
        for _ in range(PICTURES):
            shown = {
                one.process.name: await picture(admin, one.number) for one in machines.controllers
            }
            if fresh is None:  # its log is its own: it is the one that folds it anew
                (alone,) = machines.controllers
                await alone.process.end()
                await alone.start()
            shown["rebuilt"] = await picture(fresh or admin, 0)
            found = await judges.servers_agree(shown)
            if not found.wrong:
                break
            await asyncio.sleep(2.0)
        if fresh is not None:
            await newcomer.process.end()
    return found


@asynccontextmanager
async def _beside(consumer: Consumer | None) -> AsyncIterator[None]:
    """The outside consumer follows for as long as the block lasts."""
    if consumer is None:
        yield
        return
    async with asyncio.TaskGroup() as group:
        task = group.create_task(consumer.follow())
        try:
            yield
        finally:
            task.cancel()


async def _caught_up(machines: Cluster, consumer: Consumer) -> int:
    """Until the outside consumer has seen as many events as there are, and how many these are: the
    judge looks which. What controllers still write while they end, they may owe until a next start.
    """
    settings = Settings(home=machines.setup.folder / "judges", store=machines.store_url)
    until_s = monotonic() + CATCH_UP_S
    async with opened(settings) as (log, _):
        there = await log.position()
        while len(consumer.seen) < there and monotonic() < until_s:
            await asyncio.sleep(0.5)
            there = await log.position()
    return there


async def _stop(process: Any, bench: Bench) -> None:
    status = await process.end()
    if status != 0:
        text = f"{process.name} ended with {status}: {process.tail()[-600:]}"
        bench.findings.append(Finding("ends in order", "", (text,)))


def _tell(load: Load, nemesis: Nemesis, say: Say) -> None:
    say("asked:  " + ", ".join(f"{n} {what}" for what, n in sorted(load.ledger.said.items())))
    say("broken: " + ", ".join(f"{n} {what}" for what, n in sorted(nemesis.counts.items())))
    for text, count in load.ledger.refusals.most_common(8):
        say(f"{count:6} x {text}")


def _came_through(machines: Cluster, nemesis: Nemesis) -> Finding:
    restarts = ", ".join(f"{s:.1f}" for s in nemesis.restarts_s)
    figures = f"{len(nemesis.acts)} failures; restarts took {restarts or 'none'} s"
    return Finding("no controller ends by itself", figures, tuple(machines.crashes))
