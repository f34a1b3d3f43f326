"""A crash, a full disk, a lock, a lost server: nothing is lost, and nothing is told twice."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest

from aggregates.base import Recorded
from aggregates.errors import Conflict
from engine.log import Log, LogLocked, LogUnavailable, Stored
from engine.log.sqlite_store import SqliteStore
from engine.log.store import StoreDown, Turn
from engine.log.stores import open_store
from tests.log.conftest import Clock
from tests.log.rooms import files_up_to
from tests.log.test_log import everything
from tests.log.toys import unit
from tests.peers.postgres import Cluster

ROOT = Path(__file__).parents[2]
WRITES_BEFORE_KILL = 400


def written_until_killed(url: str) -> list[str]:
    """The acknowledged lines of a writer that was killed in the middle of its work."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.log.crash_child", url],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(WRITES_BEFORE_KILL)]
    child.send_signal(signal.SIGKILL)
    lines += child.stdout.readlines()
    child.wait(timeout=60)
    return [line for line in lines if line.endswith("\n")]


async def test_what_was_acknowledged_survives_sigkill(url: str, clock: Clock) -> None:
    lines = await asyncio.to_thread(written_until_killed, url)
    assert len(lines) >= WRITES_BEFORE_KILL
    log = await Log.open(url, now_ms=clock)
    found = await everything(log)
    there = {f"{one.position} {one.stream} {one.version}\n" for one in found}
    assert not set(lines) - there, "acknowledged and not there"
    for stream in {one.stream for one in found}:
        versions = [one.version for one in await log.read_stream(stream)]
        assert versions == list(range(1, len(versions) + 1))
        assert len(versions) % 2 == 0, "half a unit"
    await log.append(unit())
    await log.close()


async def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    log = await Log.open(f"sqlite://{tmp_path}/log.db", now_ms=lambda: 1)
    await log.append(unit())
    writing = log._write_store
    assert isinstance(writing, SqliteStore)
    full = 2
    assert writing.synchronous() == (full, "wal")
    await log.close()


async def test_a_second_writer_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/log.db"
    log = await Log.open(url, now_ms=lambda: 1)
    with pytest.raises(LogLocked, match=f"process {os.getpid()} "):
        await Log.open(url, now_ms=lambda: 1)
    await log.append(unit())
    await log.close()
    again = await Log.open(url, now_ms=lambda: 1)
    await again.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://x/y", "'mysql' is no kind of log"),
        ("sqlite:///nowhere/at/all/log.db", "nowhere/at/all.*No such file"),
        ("postgres://nobody@127.0.0.1:1/x", "postgres at 127.0.0.1:1/x"),
    ],
)
async def test_a_log_that_cannot_be_opened_says_why(url: str, said: str) -> None:
    with pytest.raises(LogUnavailable, match=said):
        await Log.open(url, now_ms=lambda: 1)


async def test_a_reader_who_may_not_write_is_told_what_to_do() -> None:
    with TemporaryDirectory() as folder:
        url = f"sqlite://{folder}/log.db"
        log = await Log.open(url, now_ms=lambda: 1)
        await log.append(unit())
        await log.close()
        for path in (folder, f"{folder}/log.db"):
            os.chmod(path, 0o555)
        with nobody(), pytest.raises(LogUnavailable, match="do this as who owns it"):
            log = await Log.open(url, now_ms=lambda: 1, read_only=True)
            await log.position()
        os.chmod(folder, 0o755)


@contextmanager
def nobody() -> Iterator[None]:
    """Without root's rights, under which nothing is refused."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(before)


async def test_a_reader_of_nothing_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(LogUnavailable, match="there is no log at"):
        await Log.open(f"sqlite://{tmp_path}/log.db", now_ms=lambda: 1, read_only=True)
    assert list_of(tmp_path) == []


def list_of(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def test_a_full_disk_refuses_and_the_log_goes_on_when_there_is_room(tmp_path: Path) -> None:
    log = await Log.open(f"sqlite://{tmp_path}/log.db", now_ms=lambda: 1)
    folded: list[Recorded] = []
    log.listen(folded.extend)
    stream = uuid4()
    await log.append(unit(stream))
    with files_up_to((tmp_path / "log.db-wal").stat().st_size):
        for _ in range(2):
            with pytest.raises(LogUnavailable, match="ask again"):
                await log.append(unit(stream, 1, "x" * 100_000))
    await log.append(unit(stream, 1, "room again"))
    assert [one.position for one in folded] == [1, 2]
    assert folded == await everything(log)
    assert log.stats.unavailable == 2
    await log.close()


async def test_a_locked_file_refuses_and_the_log_goes_on_after(tmp_path: Path) -> None:
    log = await Log.open(f"sqlite://{tmp_path}/log.db", now_ms=lambda: 1)
    await log.append(unit())
    thief = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    thief.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogUnavailable, match="locked"):
        await log.append(unit())
    thief.execute("ROLLBACK")
    thief.close()
    assert [one.position for one in await log.append(unit())] == [2]
    await log.close()


async def test_postgres_may_go_and_come_back(postgres_cluster: Cluster, clock: Clock) -> None:
    log = await Log.open(postgres_cluster.database(), now_ms=clock)
    folded: list[Recorded] = []
    log.listen(folded.extend)
    stream = uuid4()
    await log.append(unit(stream))
    postgres_cluster.stop("immediate")
    try:
        with pytest.raises(LogUnavailable, match="ask again"):
            await log.append(unit(stream, 1, "while it was away"))
        with pytest.raises(LogUnavailable, match="cannot be read"):
            await log.position()
    finally:
        postgres_cluster.start()
    await log.append(unit(stream, 1, "afterwards"))
    assert folded == await everything(log)
    assert [one.version for one in folded] == [1, 2]
    await log.close()


async def test_a_commit_whose_answer_was_lost_is_not_written_twice(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded: list[Recorded] = []
    log.listen(folded.extend)
    store = log._write_store
    assert store is not None
    turn, broken = store.turn, [True]

    @contextmanager
    def commit_and_break() -> Iterator[Turn]:
        with turn() as one:
            yield one
        if broken:
            broken.clear()
            raise StoreDown("the connection broke after the commit")

    monkeypatch.setattr(store, "turn", commit_and_break)
    stream = uuid4()
    told = await asyncio.gather(
        *(log.submit(unit(stream, version, f"{version}")) for version in range(3))
    )
    assert [one.version for answer in told for one in answer] == [1, 2, 3]
    assert folded == await everything(log)
    await log.append(unit(stream, 3))


async def test_a_commit_that_is_found_later_reaches_the_listeners(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded: list[Recorded] = []
    log.listen(folded.extend)
    store = log._write_store
    assert store is not None
    turn = store.turn

    def down(*_: object) -> list[Stored]:
        raise StoreDown("the server is gone")

    @contextmanager
    def commit_and_go() -> Iterator[Turn]:
        with turn() as one:
            yield one
        raise StoreDown("the connection broke after the commit")

    stream = uuid4()
    with monkeypatch.context() as gone:
        gone.setattr(store, "turn", commit_and_go)
        gone.setattr(store, "rows", down)
        with pytest.raises(LogUnavailable, match="gone"):
            await log.append(unit(stream, 0, "written"))
    assert folded == []
    with pytest.raises(Conflict, match="at version 1, not 0"):
        await log.append(unit(stream, 0, "written"))
    assert [one.stream for one in folded] == [stream]
    await log.append(unit(stream, 1))
    assert folded == await everything(log)


async def test_rows_of_another_writer_are_taken_in_and_win(url: str, log: Log) -> None:
    folded: list[Recorded] = []
    log.listen(folded.extend)
    theirs, mine = uuid4(), uuid4()
    await log.append(unit(mine))

    def write_theirs() -> None:
        other = open_store(url)
        end = other.end()
        state = b'{"at":2000,"d":{"name":"theirs"}}'
        with other.turn() as turn:
            turn.insert([Stored(end + 1, theirs, 1, "logtoy.made", state)], [])
        other.close()

    await asyncio.to_thread(write_theirs)
    answers = await asyncio.gather(
        log.submit(unit(mine, 1)),
        log.submit(unit(theirs)),
        log.submit(unit()),
        return_exceptions=True,
    )
    assert [isinstance(answer, Conflict) for answer in answers] == [False, True, False]
    assert folded == await everything(log)
    assert [one.stream for one in folded[:3]] == [mine, theirs, mine]
