"""Each example does what it says, against a real controller, a real database, a picky endpoint."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from aiohttp import web

from consumers import Event, SourceGone, Stream, consume
from consumers.examples import billing, cmdb, notifier
from projections.usage import RUNNING_VM, Usage
from projections.vm import vms
from tests.consumers.publisher import stream_of
from tests.consumers.test_sink import Told
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import MEDIUM, Place, named, place

ROOT = Path(__file__).parents[2]
WAIT_S = 120.0
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Place]:
    async with place(tmp_path) as one:
        yield one


async def source(here: Place, **options: Any) -> Stream:
    url = f"http://127.0.0.1:{here.controller.port}/events"
    return consume(url, key=here.admin.key, secret=here.admin.secret, **options)


async def lives(here: Place) -> None:
    """Guests come, grow, move between accounts, stop and go."""
    for client in (here.ann, here.bob):
        first, second = [(await deploy(client))["id"] for _ in range(2)]
        await client.job("stopVirtualMachine", id=first)
        await client.job("scaleVirtualMachine", id=first, serviceofferingid=MEDIUM)
        await client.job("startVirtualMachine", id=first)
        await client.job("destroyVirtualMachine", id=second)


async def fed(here: Place, effect: Any, sink: Any, topics: list[str]) -> None:
    """Let a sink take everything that there is."""
    stored = [one async for batch in here.controller.log.read() for one in batch]
    last = next(one for one in reversed(stored) if one.topic.startswith("vm."))
    stream = await source(here, topics=topics)
    async with asyncio.timeout(WAIT_S), stream:
        async for event in stream:
            await sink.take([event], effect)
            if event.position >= last.position:
                return


# ---- billing ----------------------------------------------------------------------------------


def happened(number: int, topic: str, minutes: float, vm: int = 1, **data: Any) -> Event:
    return Event(
        id=f"{vm}/{number}", position=number, stream=stream_of(vm), version=number, topic=topic,
        at=NOON + timedelta(minutes=minutes), data=data,
    )  # fmt: skip


ANN, BOB = UUID(int=1), UUID(int=2)


async def test_hours_are_paid_by_whoever_had_the_guest(postgres: Callable[[], str]) -> None:
    url = postgres()
    size = {"cpu_count": 2, "memory_mib": 512}
    told = [
        happened(1, "vm.created", 0, account_id=str(ANN), **size),
        happened(2, "vm.started", 30, host_id="h"),
        happened(3, "vm.created", 31, vm=2, account_id=str(ANN), **size),
        happened(4, "vm.scaled", 90, cpu_count=4, memory_mib=1024),
        happened(5, "vm.assigned", 120, account_id=str(BOB)),
        happened(6, "vm.stopped", 130, why=""),
        happened(7, "vm.stopped", 140, why=""),
        happened(8, "vm.started", 150, vm=2, host_id="h"),
        happened(9, "vm.expunged", 150.5, vm=2),
    ]
    async with await billing.opened(url) as sink:
        await sink.run(Told(told), billing.bill, batch_events=4)
        await sink.run(Told(told), billing.bill)
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = [await billing.usage(connection, one) for one in (ANN, BOB)]
        now = await (await connection.execute("SELECT count(*) FROM usage_now")).fetchone()
    hour = [NOON + timedelta(hours=n) for n in range(3)]
    assert found[0] == [
        (hour[0], 1800, 3600, 1800 * 512),
        (hour[1], 3600, 1800 * 2 + 1800 * 4, 1800 * 512 + 1800 * 1024),
        (hour[2], 30, 60, 30 * 512),
    ]
    assert found[1] == [(hour[2], 600, 2400, 600 * 1024)]
    assert now == (4,)


async def test_a_guest_that_runs_on_is_in_the_view_of_now(postgres: Callable[[], str]) -> None:
    url, size = postgres(), {"cpu_count": 2, "memory_mib": 512}
    begun = [
        happened(1, "vm.created", 0, account_id=str(ANN), **size),
        happened(2, "vm.started", 0),
    ]
    async with await billing.opened(url) as sink:
        await sink.run(Told(begun), billing.bill)
    with psycopg.connect(url) as connection:
        ask = "SELECT sum(vm_s), extract(epoch FROM now() - %s) FROM usage_now"
        shown, expected = connection.execute(ask, (NOON,)).fetchone() or (0, 1)
    assert shown == pytest.approx(expected)


async def test_the_bill_is_what_the_cloud_metered(here: Place, postgres: Callable[[], str]) -> None:
    await lives(here)
    url, end_ms = postgres(), 2**62
    async with await billing.opened(url) as sink:
        await fed(here, billing.bill, sink, billing.TOPICS)
    metered: dict[UUID, int] = defaultdict(int)
    running = 0
    pieces = here.controller.cloud.view(Usage).between(0, end_ms)
    for span in [span async for some in pieces for span in some]:
        if span.meter.kind == RUNNING_VM:
            metered[span.account_id] += max(span.end_ms - span.begin_ms, 0)
            running += not span.end_ms
    with psycopg.connect(url) as connection:
        paid = dict(
            connection.execute("SELECT account_id, sum(vm_s) FROM usage_hour GROUP BY 1").fetchall()
        )
        (runs,) = connection.execute("SELECT count(*) FROM usage_running").fetchone() or (0,)
    assert {account: round(total * 1000) for account, total in paid.items()} == dict(metered)
    assert runs == running == 2


# ---- cmdb -------------------------------------------------------------------------------------


async def test_the_table_is_what_the_cloud_says(here: Place, postgres: Callable[[], str]) -> None:
    await lives(here)
    url = postgres()
    async with await cmdb.opened(url) as sink:
        await fed(here, cmdb.keep, sink, cmdb.topics())
    with psycopg.connect(url) as connection:
        found = {row[0]: row[1:] for row in connection.execute("SELECT * FROM cmdb_item")}
    cloud = here.controller.cloud
    guests = {one.id: one for one in cloud[vms]}
    assert {one for one, row in found.items() if row[0] == "vm"} == set(guests)
    for noun in cmdb.NOUNS:
        for row in cloud.table(noun):
            kept = found.pop(row.id)
            plain = msgspec.json.decode(msgspec.json.encode(row))
            assert (kept[0], kept[3], kept[4]) == (noun, plain, row.version)
    assert found == {}, "what is gone is not in the table"


async def test_what_is_newer_is_left_out_and_told(
    postgres: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    async with await cmdb.opened(postgres()) as sink:
        await sink.run(Told([happened(1, "vm.teleported", 0, where="moon")]), cmdb.keep)
    assert "vm.teleported is newer than this program" in capsys.readouterr().err


# ---- notifier ---------------------------------------------------------------------------------


class Picky:
    """An endpoint that answers as it is told to, then takes everything."""

    def __init__(self, *answers: int) -> None:
        self._answers = list(answers)
        self.taken: list[str] = []
        self.asked = 0

    async def __aenter__(self) -> Picky:
        app = web.Application()
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self._answers:
            return web.Response(status=self._answers.pop(0), headers={"Retry-After": "0"})
        self.taken.append((await request.json())["text"])
        return web.Response()


def lost(number: int) -> Event:
    return happened(number, "host.disconnected", 0, vm=number, why="no answer")


async def test_what_people_care_about_is_told_once_and_in_words() -> None:
    quiet = [
        happened(2, "vm.stopped", 0, why=""),
        happened(3, "finding.mended", 0, other="a newer shape"),
        happened(4, "network.created", 0, name="n"),
    ]
    stream = Told([lost(1), *quiet])
    async with Picky(503, 429, 500) as chat:
        await notifier.notify(stream, notifier.Chat(chat.url), every_s=0)
    lines = [f"Host {stream_of(1)} is lost: no answer", f"finding.mended {stream_of(1)}"]
    assert chat.taken == ["\n".join(lines)]
    assert (chat.asked, stream.committed) == (4, [4])


async def test_a_flood_is_one_message() -> None:
    stream = Told([lost(n) for n in range(1, 101)])
    async with Picky() as chat:
        await notifier.notify(stream, notifier.Chat(chat.url), every_s=0)
    (text,) = chat.taken
    assert text.count("is lost") == notifier.LINES_MAX
    assert text.endswith("... and 90 more")


async def test_what_was_not_taken_is_not_committed() -> None:
    for answers, wrong in (((404,), notifier.Unwanted), ((503,) * 50, SourceGone)):
        stream = Told([lost(1)])
        async with Picky(*answers) as chat:
            with pytest.raises(wrong):
                chatting = notifier.Chat(chat.url, patience_s=0.5)
                await notifier.notify(stream, chatting, every_s=0)
        assert stream.committed == []


# ---- as programs ------------------------------------------------------------------------------


async def test_an_example_runs_as_a_program(here: Place, tmp_path: Path) -> None:
    """It tells of the hosts that came, is killed, and goes on with what happened since."""
    kept = tmp_path / "place"
    url = f"http://127.0.0.1:{here.controller.port}/events"
    keys = {"SAGASTACK_KEY": here.admin.key, "SAGASTACK_SECRET": here.admin.secret}
    async with Picky() as chat:
        words = ["-m", "consumers.examples.notifier", "--every", "0.1", "--place", str(kept)]

        async def life(told: int) -> None:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *words, url, chat.url, cwd=ROOT, env=os.environ | keys
            )
            try:
                async with asyncio.timeout(WAIT_S):
                    while len(chat.taken) < told or not kept.exists():
                        await asyncio.sleep(0.05)
                        assert process.returncode is None
            finally:
                process.kill()
                await process.wait()

        await life(1)
        host = str(named("host 3"))
        await here.admin.job("prepareHostForMaintenance", id=host)
        await life(2)
    assert chat.taken[0].count("answers.") == 3
    assert chat.taken[1] == f"Host {host} is empty and in maintenance."
