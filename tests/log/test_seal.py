"""Seals find every way to falsify a log: change, drop, insert, reorder, cut, forge."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.log import (
    Log,
    LogUnavailable,
    Seal,
    Sealer,
    SealsDamaged,
    Stored,
    load_public_key,
    read_seals,
    verify,
)
from engine.log.merkle import root
from engine.log.seal import PRIVATE_KEY, SEALS, seal
from engine.log.sqlite_store import SqliteStore
from tests.log.rooms import files_up_to
from tests.log.toys import unit

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
STREAMS = [UUID(int=n) for n in range(1, 4)]


def rows(count: int) -> list[Stored]:
    return [
        Stored(n + 1, STREAMS[n % 3], n // 3 + 1, "logtoy.made", b'{"at":1,"d":{"name":"%d"}}' % n)
        for n in range(count)
    ]


def sealed(whole: list[Stored], stretch: int = 8) -> list[Seal]:
    seals: list[Seal] = []
    for first in range(0, len(whole), stretch):
        before = seals[-1] if seals else None
        seals.append(seal(whole[first : first + stretch], before, KEY, at_ms=first))
    return seals


def kinds(changed: list[Stored], seals: list[Seal]) -> set[str]:
    return {finding.kind for finding in verify(changed, seals, KEY.public_key())}


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word by word."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + by_definition(leaves[:split]) + by_definition(leaves[split:])).digest()


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 8, 9, 21, 64, 100])
def test_the_root_is_that_of_the_standard(count: int) -> None:
    leaves = [sha256(b"%d" % n).digest() for n in range(count)]
    assert root(leaves) == by_definition(leaves)
    assert root([]) == sha256().digest()


def test_an_untouched_log_is_proved() -> None:
    whole = rows(50)
    assert verify(whole, sealed(whole), KEY.public_key()) == []
    (tail,) = verify([*whole, *rows(53)[50:]], sealed(whole), KEY.public_key())
    assert (tail.kind, tail.fault, tail.position) == ("unsealed", False, 50)


def change(whole: list[Stored]) -> list[Stored]:
    whole[20] = whole[20]._replace(state=b'{"at":1,"d":{"name":"changed"}}')
    return whole


def retopic(whole: list[Stored]) -> list[Stored]:
    whole[20] = whole[20]._replace(topic="logtoy.other")
    return whole


def drop(whole: list[Stored]) -> list[Stored]:
    return whole[:20] + whole[21:]


def drop_and_close_up(whole: list[Stored]) -> list[Stored]:
    return [row._replace(position=n) for n, row in enumerate(drop(whole), 1)]


def insert(whole: list[Stored]) -> list[Stored]:
    slipped = Stored(0, uuid4(), 1, "logtoy.made", b"{}")
    return [
        row._replace(position=n) for n, row in enumerate([*whole[:20], slipped, *whole[20:]], 1)
    ]


def reorder(whole: list[Stored]) -> list[Stored]:
    one, two = whole[20], whole[21]
    whole[20], whole[21] = two._replace(position=21), one._replace(position=22)
    return whole


def cut(whole: list[Stored]) -> list[Stored]:
    return whole[:30]


@pytest.mark.parametrize(
    ("falsify", "found"),
    [
        (change, {"content"}),
        (retopic, {"content"}),
        (drop, {"gap", "missing", "stream"}),
        (drop_and_close_up, {"content", "missing", "stream"}),
        (insert, {"content", "unsealed"}),
        (reorder, {"content"}),
        (cut, {"missing"}),
    ],
)
def test_a_falsified_log_is_found_out(
    falsify: Callable[[list[Stored]], list[Stored]], found: set[str]
) -> None:
    whole = rows(50)
    assert kinds(falsify(list(whole)), sealed(whole)) == found


def test_falsified_seals_are_found_out() -> None:
    whole = rows(50)
    seals = sealed(whole)
    assert "chain" in kinds(whole, seals[:2] + seals[3:])
    assert "chain" in kinds(whole, [seals[1], seals[0], *seals[2:]])
    older = msgspec.structs.replace(seals[2], at_ms=0)
    assert {"signature", "chain"} <= kinds(whole, [*seals[:2], older, *seals[3:]])
    # Whoever changes an event and seals it anew lacks the key.
    changed, forger = change(list(whole)), Ed25519PrivateKey.generate()
    forged = seal(changed[16:24], seals[1], forger, at_ms=16)
    assert {"signature", "chain"} <= kinds(changed, [*seals[:2], forged, *seals[3:]])


async def stored(log: Log) -> list[Stored]:
    return await log.read_stored(limit=10**6)


async def test_the_sealer_follows_the_log_and_goes_on_after_a_crash(
    log: Log, tmp_path: Path
) -> None:
    home, now_ms = tmp_path, lambda: 77
    sealer = await Sealer.open(log, home, now_ms=now_ms)
    for _ in range(11):
        await log.append(unit(None, 0, *("x" * 100)))
    assert await sealer.catch_up(partial=False) == 1
    assert [one.count for one in read_seals(home / SEALS)] == [1024]
    await sealer.close()
    assert [one.count for one in read_seals(home / SEALS)] == [1024, 76]
    # A crash leaves half a line, and events that were not sealed.
    whole = (home / SEALS).read_bytes()
    (home / SEALS).write_bytes(whole[:-20])
    assert len(read_seals(home / SEALS)) == 1
    await log.append(unit())
    again = await Sealer.open(log, home, now_ms=now_ms)
    await again.close()
    seals = read_seals(home / SEALS)
    assert [one.count for one in seals] == [1024, 77]
    key = await asyncio.to_thread(load_public_key, home)
    assert verify(await stored(log), seals, key) == []
    assert stat.S_IMODE((home / PRIVATE_KEY).stat().st_mode) == 0o600


async def test_a_controller_that_ends_does_not_wait_until_all_is_sealed(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that was written faster than it is sealed does not keep its controller from ending."""
    monkeypatch.setattr("engine.log.sealer.CLOSE_S", 0.0)
    for _ in range(21):
        await log.append(unit(None, 0, *("x" * 100)))
    for counts in ([1024], [1024, 1024], [1024, 1024, 52], [1024, 1024, 52]):
        sealer = await Sealer.open(log, tmp_path, now_ms=lambda: 1)
        await sealer.close()
        assert [one.count for one in read_seals(tmp_path / SEALS)] == counts


async def sealed_to(sealer: Sealer, last: int) -> None:
    """Let the sealer run until it has sealed the log to there, and no further."""
    running = asyncio.create_task(sealer.run(idle_s=0.05))
    async with asyncio.timeout(60):
        while sealer.position < last:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])
    assert sealer.position == last


async def test_a_quiet_log_is_sealed_to_its_end(tmp_path: Path) -> None:
    log = await Log.open(f"sqlite://{tmp_path}/log.db", now_ms=lambda: 1)
    sealer = await Sealer.open(log, tmp_path, now_ms=lambda: 1)
    for _ in range(3):
        last = (await log.append(unit()))[0].position
        await sealed_to(sealer, last)
    await sealer.close()
    await log.close()


async def test_a_log_that_cannot_be_read_is_sealed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sealer outlives an outage of the database, and so does the controller that it is in."""
    log = await Log.open(f"sqlite://{tmp_path}/log.db", now_ms=lambda: 1)
    sealer = await Sealer.open(log, tmp_path, now_ms=lambda: 1)
    last = (await log.append(unit()))[0].position
    read, asked = log.read_stored, 0

    async def gone(*args: int, **limits: int) -> list[Stored]:
        nonlocal asked
        asked += 1
        if asked < 4:
            raise LogUnavailable("the log cannot be read now: the line is cut")
        return await read(*args, **limits)

    monkeypatch.setattr(log, "read_stored", gone)
    await sealed_to(sealer, last)
    assert asked >= 4
    asked = 0
    await sealer.close()
    await log.close()


@pytest.mark.parametrize("fails", ["write", "fsync"])
async def test_a_disk_that_takes_no_seal_ends_no_sealer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """Half a line is cut off before the next is written, and a whole one is never made twice."""
    log = await Log.open(f"sqlite://{tmp_path}/log.db", now_ms=lambda: 1)
    sealer = await Sealer.open(log, tmp_path, now_ms=lambda: 1)
    await sealed_to(sealer, (await log.append(unit()))[0].position)
    last = (await log.append(unit()))[0].position
    room = (tmp_path / SEALS).stat().st_size + 100
    with monkeypatch.context() as broken, files_up_to(room if fails == "write" else None):
        if fails == "fsync":
            broken.setattr(os, "fsync", refuse)
        running = asyncio.create_task(sealer.run(idle_s=0.02))
        await asyncio.wait([running], timeout=0.4)
        assert not running.done(), running
        running.cancel()
        await asyncio.wait([running])
    assert sealer.position < last
    await sealed_to(sealer, last)
    await sealer.close()
    assert await sealer.catch_up(partial=True) == 0, "its task may be there still"
    await log.close()
    seals = read_seals(tmp_path / SEALS)
    assert [one.number for one in seals] == [1, 2]
    store = SqliteStore(str(tmp_path / "log.db"), read_only=True)
    assert verify(store.rows(0, None, 10), seals, load_public_key(tmp_path)) == []
    store.close()


def refuse(_: int) -> None:
    raise OSError(errno.EIO, "Input/output error")


async def test_seals_that_do_not_belong_here_are_refused(tmp_path: Path) -> None:
    log = await Log.open(f"sqlite://{tmp_path}/log.db", now_ms=lambda: 1)
    longer = rows(8)
    (tmp_path / PRIVATE_KEY).write_text(KEY.private_bytes_raw().hex())
    (tmp_path / SEALS).write_bytes(msgspec.json.encode(sealed(longer)[0]) + b"\n")
    with pytest.raises(SealsDamaged, match="log ends at 0"):
        await Sealer.open(log, tmp_path, now_ms=lambda: 1)
    (tmp_path / PRIVATE_KEY).write_text(bytes([7] * 32).hex())
    with pytest.raises(SealsDamaged, match="restore the key"):
        await Sealer.open(log, tmp_path, now_ms=lambda: 1)
    (tmp_path / SEALS).write_bytes(b"nonsense\n")
    with pytest.raises(SealsDamaged, match="line 1"):
        await Sealer.open(log, tmp_path, now_ms=lambda: 1)
    await log.close()
