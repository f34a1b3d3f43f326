"""What must hold when a cluster has come through: each judge says so for itself, with its figures.

The first ask the servers that run, as anybody may. The last look at what is left when all are
stopped: the log, the seals, and the simulated world itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from time import monotonic
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid5

from drivers.sim import SimWorld
from engine.history import History
from engine.log import Log
from projections.cloud import Cloud
from projections.saga import RunState, saga_runs
from sagastack.settings import Settings
from sagastack.tools.opened import opened
from tests.chaos.client import Client, Refused
from tests.chaos.consumer import Consumer
from tests.chaos.linear import Op, Outcome, check
from tests.chaos.load import GONE, Ledger
from tests.chaos.machines import Cluster
from tests.chaos.models import EXHAUSTED, LIMIT, Addresses, Limited
from tests.chaos.nemesis import Nemesis
from tests.chaos.pictures import differences
from tests.chaos.register import check_register
from tests.chaos.visitor import Visitors
from tests.sim import laws

PAGE = 5000
# How much of a history that cannot be is told: what it broke on is mostly near its beginning.
HISTORY_LINES = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """What a judge says. `wrong` is empty where all holds."""

    judge: str
    figures: str
    wrong: tuple[str, ...] = ()

    def __str__(self) -> str:
        verdict = "holds" if not self.wrong else "BROKEN"
        lines = [f"{verdict:<6}  {self.judge:<28} {self.figures}"]
        lines += [f"          {line}" for line in self.wrong[:12]]
        return "\n".join(lines)


@dataclass
class Bench:
    """The judges' findings so far."""

    findings: list[Finding] = field(default_factory=list)

    async def hear(self, name: str, judge: Callable[[], Awaitable[Finding]]) -> None:
        """A judge that cannot come to an end has not found that all holds."""
        try:
            self.findings.append(await judge())
        except (AssertionError, KeyError, Refused, OSError, RuntimeError) as error:
            text = f"{type(error).__name__}: {error}"[:1500]
            self.findings.append(Finding(name, "", (text,)))

    @property
    def all_hold(self) -> bool:
        return bool(self.findings) and not any(one.wrong for one in self.findings)


# ---- asked of the servers --------------------------------------------------------------------


async def acknowledged(ledger: Ledger, client: Client) -> Finding:
    """Every job that was told to have succeeded is there and says so; guests are what was told."""
    wrong = []
    for job_id, how in ledger.jobs.items():
        try:
            job = await client.ask(client.any_server(), "queryAsyncJobResult", jobid=job_id)
        except Refused as refusal:
            wrong.append(f"job {job_id} was acknowledged and is gone: {refusal}")
            continue
        if how == "ok" and job["jobstatus"] != 1:
            wrong.append(f"job {job_id} succeeded and is now {job['jobstatus']}")
    shown = await client.ask(0, "listVirtualMachines", listall=True, page=1, pagesize=500)
    there = {vm["name"]: vm["state"] for vm in shown.get("virtualmachine", [])}
    for guest in ledger.guests:
        state = there.pop(guest.name, GONE)
        if state not in guest.may_be:
            wrong.append(f"{guest.name} is {state}, and was told to be {sorted(guest.may_be)}")
    wrong += [f"guest {name} is there, and nobody asked for it" for name in there]
    doubt = sum(not guest.is_known for guest in ledger.guests)
    figures = f"{len(ledger.jobs)} jobs, {len(ledger.guests)} guests ({doubt} in doubt)"
    return Finding("acknowledged is there", figures, tuple(wrong))


async def _settled(op: Op, client: Client, account_id: str, now_s: float) -> Op:
    """What became of a call whose answer was lost, now that nothing is under way any more: its job
    has an id that follows from its key. What has no job never happened."""
    command = {"take": "associateIpAddress", "free": "disassociateIpAddress"}[op.what]
    job_id = uuid5(UUID(account_id), f"job/{command}/{op.key}")
    try:
        job = await client.ask(0, "queryAsyncJobResult", jobid=job_id)
    except Refused:
        return replace(op, outcome=Outcome.FAILED)
    if job["jobstatus"] != 1:
        return replace(op, outcome=Outcome.FAILED, ended_s=now_s)
    got = job["jobresult"]["ipaddress"]["ipaddress"] if op.what == "take" else None
    return replace(op, outcome=Outcome.OK, result=got, ended_s=now_s)


async def addresses(
    ledger: Ledger, model: Addresses, client: Client, accounts: dict[str, str]
) -> Finding:
    """Taking and freeing could have been one after the other, what is left in the end included."""
    shown = await client.ask(0, "listPublicIpAddresses", listall=True, page=1, pagesize=500)
    rows = shown.get("publicipaddress", [])
    held = {row["ipaddress"]: row["account"] for row in rows if row["account"] in accounts}
    now_s = monotonic()
    unknown = sum(op.outcome is Outcome.UNKNOWN for op in ledger.addresses)
    history = [
        await _settled(op, client, accounts[str(op.args[0])], now_s)
        if op.outcome is Outcome.UNKNOWN and op.key
        else op
        for op in ledger.addresses
    ]
    end = max((op.ended_s for op in history if op.outcome is Outcome.OK), default=0.0) + 1e6
    history += [
        Op("had", (account, address), end, end + 1, Outcome.OK, None, "the end")
        for address, account in sorted(held.items())
    ]
    history.append(Op("count", (), end + 2, end + 3, Outcome.OK, len(held), "the end"))
    verdict = check(model, history)
    told_of = [op for op in history if op.outcome is Outcome.OK and op.who != "the end"]
    by_end = Counter(op.result if op.result in (LIMIT, EXHAUSTED) else op.what for op in told_of)
    told = ", ".join(f"{count} {what}" for what, count in sorted(by_end.items()))
    figures = f"{told}; {unknown} asked for again later; {len(held)} held; {verdict.steps} steps"
    told_all = "\n".join(map(str, sorted(history, key=lambda op: op.began_s)[:HISTORY_LINES]))
    wrong = () if verdict.is_linear else (f"{verdict}\nall of it:\n{told_all}",)
    return Finding("addresses are linearisable", figures, wrong)


async def limits(ledger: Ledger, client: Client, most: dict[str, int]) -> Finding:
    """No account had more guests than it may have, at any moment; each has one network at most."""
    wrong, operations = [], 0
    for account, ops in ledger.counts.items():
        verdict = check(Limited(most[account]), ops)
        operations += verdict.operations
        if not verdict.is_linear:
            wrong.append(f"{account}, who may have {most[account]}: {verdict}")
    shown = await client.ask(0, "listNetworks", listall=True, page=1, pagesize=500)
    of = Counter(network["account"] for network in shown["network"] if network["account"] in most)
    wrong += [f"{who} has {count} default networks" for who, count in of.items() if count > 1]
    return Finding("guests are within limits", f"{operations} operations", tuple(wrong))


async def names(ledger: Ledger, nemesis: Nemesis, first: dict[str, str]) -> Finding:
    """Each name is a register: a read at any server sees what was written last at any other."""
    wrong, left_out, operations = [], 0, 0
    for group, ops in ledger.names.items():
        history = []
        for op in ops:
            server = ledger.read_at[id(op)]
            stale = op.what == "read" and nemesis.may_be_stale(server, op.began_s, op.ended_s)
            left_out += stale
            if not stale:
                history.append(op)
        operations += len(history)
        verdict = check_register(history, first[group])
        if not verdict.is_linear:
            wrong.append(str(verdict))
    figures = f"{operations} operations on {len(ledger.names)} names ({left_out} reads left out)"
    return Finding("names are linearisable", figures, tuple(wrong))


async def reads_follow_writes(clients: list[Client], nemesis: Nemesis) -> Finding:
    """A job that one server acknowledged is known at every other."""
    unseen = [one for client in clients for one in client.unseen]
    excused = [one for one in unseen if nemesis.may_be_stale(one.server, one.began_s, one.ended_s)]
    wrong = [f"server {one.server}: {one.text}" for one in unseen if one not in excused]
    lost = sum((client.lost for client in clients), Counter[str]())
    told = ", ".join(f"{count} {what}" for what, count in sorted(lost.items()))
    figures = f"{len(excused)} stale while the log was out of reach; lost answers: {told or 'none'}"
    return Finding("reads follow writes", figures, tuple(wrong))


async def sessions(visitors: Visitors, nemesis: Nemesis) -> Finding:
    """A session is known at every server from its beginning to its end."""
    wrong = [
        one.text
        for one in visitors.odd
        if not nemesis.may_be_stale(one.server, one.began_s, one.ended_s)
    ]
    told = ", ".join(f"{count} {what}" for what, count in sorted(visitors.said.items()))
    return Finding("sessions are shared", told, tuple(wrong))


async def servers_agree(pictures: dict[str, dict[str, list[Any]]]) -> Finding:
    """All servers show the same, and so does one that has folded the log from its beginning."""
    (first, ours), *others = pictures.items()
    wrong = [
        f"{first} and {name}: {line}"
        for name, theirs in others
        for line in differences(ours, theirs)
    ]
    rows = sum(len(rows) for rows in ours.values())
    figures = f"{len(pictures)} servers, {len(ours)} lists of {rows} rows each"
    return Finding("projections are equal", figures, tuple(wrong))


# ---- looked at when all are stopped ----------------------------------------------------------


async def tools_agree(cluster: Cluster) -> Finding:
    """`replay` finds each server's checkpoint equal to a rebuild; `verify` finds the log whole."""
    wrong, figures = [], []
    for one in cluster.controllers:
        told = await cluster.tool("replay", home=one.process.folder)
        if told["status"] != 0 or told.get("differing") != []:
            wrong.append(f"replay in {one.process.name}: {told}")
        figures.append(f"{told.get('events')} events")
    told = await cluster.tool("verify", home=cluster.controllers[0].process.folder)
    if told["status"] != 0 or told.get("faults") != [] or not told.get("seals"):
        wrong.append(f"verify: {told}")
    text = f"replayed {', '.join(figures)}; {told.get('seals')} seals"
    return Finding("replay and seals", text, tuple(wrong))


@dataclass(frozen=True, slots=True)
class Left:
    """What is left in the store and in the world when all processes have ended."""

    log: Log
    cloud: Cloud
    history: History
    world: SimWorld


async def look(cluster: Cluster, bench: Bench, ledger: Ledger, consumer: Consumer | None) -> None:
    """Every judge that looks at what is left."""
    world = SimWorld.open(cluster.world_state)
    try:
        settings = Settings(home=cluster.setup.folder / "judges", store=cluster.store_url)
        async with opened(settings) as (log, history):
            left = Left(log, await history.latest(), history, world)
            await bench.hear("at rest", lambda: at_rest(left))
            await bench.hear("log and world agree", lambda: at_peace(left, ledger))
            await bench.hear("no step failed by a bug", lambda: no_bugs(left))
            if consumer is not None:
                await bench.hear("outside consumer", lambda: followed(left, consumer))
    finally:
        world.close()


async def at_rest(left: Left) -> Finding:
    """No saga is at work any more, and none waits for a person: nothing broke for so long."""
    runs = list(left.cloud[saga_runs])
    by_state = Counter(str(run.state) for run in runs)
    wrong = [f"{run.name} {run.id} is {run.state}" for run in runs if not run.state.is_over]
    wrong += [
        f"{run.name} {run.id} is parked at {run.failed_step}: {run.error_text}"
        for run in left.cloud[saga_runs].by("state", RunState.PARKED)
    ]
    told = ", ".join(f"{count} {state}" for state, count in sorted(by_state.items()))
    return Finding("nothing is under way", told, tuple(wrong))


async def at_peace(left: Left, ledger: Ledger) -> Finding:
    """Nothing double, nothing leaked, nothing that only one of log and world knows."""
    bed: Any = SimpleNamespace(engine=SimpleNamespace(cloud=left.cloud), history=left.history)
    tenants: Any = SimpleNamespace(accepted=[UUID(job) for job in ledger.jobs])
    await laws.at_peace(bed, left.world, tenants)
    there = left.world.residue()
    figures = f"{len(there.guests)} guests, {len(there.disks)} disks, {len(there.nics)} cards"
    return Finding("log and world agree", figures)


async def no_bugs(left: Left) -> Finding:
    """No step failed in a way that no contract allows; figures are of all events."""
    counts, wrong = Counter[str](), []
    async for page in left.log.read():
        for recorded in page:
            counts[recorded.event.TOPIC] += 1
            try:
                laws.no_bugs(recorded)
            except AssertionError as error:
                wrong.append(str(error))
    told = ", ".join(f"{count} {topic}" for topic, count in counts.most_common(5))
    return Finding("no step failed by a bug", f"{counts.total()} events: {told}", tuple(wrong))


async def followed(left: Left, consumer: Consumer) -> Finding:
    """Every event of the log that is owed once by its id, no other, and each key's in order."""
    ids, owed, after = set[str](), set[str](), 0
    while page := await left.log.read_stored(after, limit=PAGE):
        ids.update(f"{row.stream}/{row.version}" for row in page)
        owed.update(f"{row.stream}/{row.version}" for row in page if row.position <= consumer.owed)
        after = page[-1].position
    wrong = [f"{one} was seen {n} times" for one, n in consumer.seen.items() if n != 1]
    unseen = sorted(owed - set(consumer.seen))
    wrong += [f"{one} is in the log and was never seen" for one in unseen]
    wrong += [f"{one} was seen and is not in the log" for one in sorted(set(consumer.seen) - ids)]
    for key, versions in consumer.versions.items():
        if versions != sorted(versions):
            wrong.append(f"the events of {key} came as {versions[:20]}")
    figures = f"{len(consumer.seen)} of {len(ids)} events, over {consumer.lines_made} connections"
    return Finding("outside consumer", figures, tuple(wrong))
