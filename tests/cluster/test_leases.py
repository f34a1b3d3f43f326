"""Leases: one holder at a time, quick takeover, growing tokens; real database, real processes."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import engine.cluster.leases
from engine.clock import SystemClock
from engine.cluster.database import Database
from engine.cluster.duties import Alone
from engine.cluster.leases import LEASE_S, Leases
from engine.cluster.store import DatabaseGone
from tests.peers.postgres import Cluster
from tests.peers.relay import Relay

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60


class Duty:
    """A duty of one controller: what it was told, and whether it is at it."""

    def __init__(self, url: str, holder: str) -> None:
        self.leases = Leases(url, holder, SystemClock())
        self.tokens: list[int] = []
        self.at_work = False
        self.changed = asyncio.Event()

    async def work(self, token: int) -> None:
        self.tokens.append(token)
        self.at_work = True
        self.changed.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.at_work = False
            self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def running(duty: Duty) -> AsyncIterator[asyncio.Task[None]]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(duty.leases.while_held("relay", duty.work))
        try:
            yield task
        finally:
            task.cancel()
    await duty.leases.close()


async def test_one_holds_and_another_takes_over_at_once_when_it_lets_go(url: str) -> None:
    first, second = Duty(url, "first"), Duty(url, "second")
    async with running(first) as one:
        await first.until(lambda: first.at_work)
        assert first.leases.token("relay") == 1
        async with running(second):
            (held,) = await second.leases.holders()
            assert (held.name, held.holder, held.token) == ("relay", "first", 1)
            # Longer than a lease: it is renewed, and nobody else begins.
            await asyncio.sleep(LEASE_S + 1)
            assert first.at_work and not second.tokens
            one.cancel()
            await second.until(lambda: second.at_work)
            assert second.tokens == [2]
            assert not first.at_work
            assert first.leases.token("relay") is None


async def test_work_that_ends_or_fails_ends_the_duty(url: str) -> None:
    leases = Leases(url, "only", SystemClock())

    async def quick(token: int) -> None:
        assert leases.token("chores") == token

    async def wrong(token: int) -> None:
        raise ValueError(f"wrong with {token}")

    await leases.while_held("chores", quick)
    with pytest.raises(ValueError, match="wrong with 2"):
        await leases.while_held("chores", wrong)
    assert await leases.holders() == []
    assert leases.token("chores") is None
    await leases.close()


async def test_many_that_begin_at_once_make_one_table_and_take_turns(url: str) -> None:
    leases = [Leases(url, f"controller {n}", SystemClock()) for n in range(6)]
    inside, most, tokens = 0, 0, []

    async def work(token: int) -> None:
        nonlocal inside, most
        tokens.append(token)
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.05)
        inside -= 1

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        for one in leases:
            group.create_task(one.while_held("chores", work))
    assert most == 1
    assert tokens == [1, 2, 3, 4, 5, 6]
    for one in leases:
        await one.close()


@pytest.mark.parametrize("how", ["sever", "hang"])
async def test_who_is_cut_off_stops_before_another_begins(
    url: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Even if it waits for an answer for ever.
    monkeypatch.setattr(engine.cluster.leases, "QUESTION_S", 60.0)
    parts = urlsplit(url)
    assert parts.port is not None
    async with Relay("127.0.0.1", parts.port) as relay:
        far = url.replace(f":{parts.port}/", f":{relay.port}/")
        first, second = Duty(far, "first"), Duty(url, "second")
        async with running(first):
            await first.until(lambda: first.at_work)
            async with running(second):
                ended: list[float] = []

                async def watch() -> None:
                    await first.until(lambda: not first.at_work)
                    ended.append(time.monotonic())

                async with asyncio.TaskGroup() as group:
                    group.create_task(watch())
                    getattr(relay, how)()
                    await second.until(lambda: second.at_work)
                    began = time.monotonic()
                assert ended[0] < began, "two were at work at once"
                assert second.tokens == [2]


async def test_a_database_that_comes_back_finds_everybody(
    url: str, postgres_cluster: Cluster
) -> None:
    duty = Duty(url, "only")
    async with running(duty):
        await duty.until(lambda: duty.at_work)
        postgres_cluster.stop("immediate")
        try:
            await duty.until(lambda: not duty.at_work)
            with pytest.raises(DatabaseGone, match="see that it runs"):
                await duty.leases.holders()
        finally:
            postgres_cluster.start()
        await duty.until(lambda: duty.at_work)
        assert duty.tokens == [1, 2]


class Child:
    """Another process that wants the lease."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, url: str, name: str) -> Child:
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.cluster.lease_child", url, name,
                cwd=ROOT, stdout=asyncio.subprocess.PIPE,
            )
        )  # fmt: skip

    async def says(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            return (await self.process.stdout.readline()).decode().strip()

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


async def test_a_killed_holder_is_followed_in_under_five_seconds(url: str) -> None:
    child, duty = await Child.start(url, "child"), Duty(url, "heir")
    try:
        assert await child.says() == "begins 1"
        async with running(duty):
            await asyncio.sleep(0.5)
            child.process.kill()
            began = time.monotonic()
            await duty.until(lambda: duty.at_work)
            assert time.monotonic() - began < 5
            assert duty.tokens == [2]
    finally:
        await child.end()


async def test_a_paused_holder_finds_out_before_it_goes_on(url: str) -> None:
    child, duty = await Child.start(url, "child"), Duty(url, "heir")
    try:
        assert await child.says() == "begins 1"
        async with running(duty):
            child.process.send_signal(signal.SIGSTOP)
            await duty.until(lambda: duty.at_work)
            child.process.send_signal(signal.SIGCONT)
            said = await child.says()
            # At most it looked once more, and was told that it cannot be sure any more.
            assert said in ("unsure 1", "ends 1")
            if said == "unsure 1":
                assert await child.says() == "ends 1"
            await asyncio.sleep(1.5)
            assert duty.at_work and duty.tokens == [2]
        assert await child.says() == "begins 3"
    finally:
        await child.end()


async def test_alone_holds_everything() -> None:
    alone, told = Alone("here"), []

    async def work(token: int) -> None:
        told.append((token, [one.name for one in await alone.holders()]))

    await alone.while_held("relay", work)
    assert told == [(0, ["relay"])]
    assert alone.token("relay") == 0
    await alone.close()


async def test_a_question_that_is_left_leaves_nothing_behind(url: str) -> None:
    database = Database(url, timeout_s=0.5)
    with pytest.raises(DatabaseGone, match="no answer within"):
        await database.ask("SELECT pg_sleep(30)")
    await asyncio.sleep(0.5)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await database.ask("SELECT pg_sleep(30)")
    assert time.monotonic() - began < 20, "whoever stops waiting is let go at once"
    assert await database.ask("SELECT 1") == [(1,)]
    await database.close()
