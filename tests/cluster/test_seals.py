"""Several controllers seal one log on one chain, and each keeps a copy that proves it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from engine.clock import SystemClock
from engine.cluster.duties import Alone
from engine.cluster.leases import Leases
from engine.cluster.seal_table import SealTable
from engine.cluster.sealer import KEY_ID, SharedSealer
from engine.log import Log, Sealer, load_public_key, read_seals, verify
from engine.log.seal import PRIVATE_KEY, PUBLIC_KEY, SEALS, STRETCH, SealsDamaged
from engine.vault import Vault
from tests.log.toys import unit

CLOCK = SystemClock()


class Controller:
    """As much of a controller as seals: its log, its vault, its folder."""

    def __init__(self, url: str, place: Path, name: str) -> None:
        self.url, self.name = url, name
        self.folder = place / name
        self.key_file = place / "vault.key"

    async def __aenter__(self) -> Controller:
        self.log = await Log.open(self.url, now_ms=CLOCK.now_ms)
        self.vault = await Vault.open_shared(self.url, self.key_file)
        self.leases = Leases(self.url, self.name, CLOCK)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leases.close()
        await self.vault.close()
        await self.log.close()

    async def sealer(self) -> SharedSealer:
        return await SharedSealer.open(self.log, self.url, self.vault, self.folder, CLOCK)

    async def write(self, events: int) -> None:
        for _ in range(events // 100):
            await self.log.append(unit(None, 0, *("x" * 100)))
        if events % 100:
            await self.log.append(unit(None, 0, *("x" * (events % 100))))

    async def proves(self) -> list[int]:
        """That its copy proves the whole log; how many rows each seal has."""
        rows = await self.log.read_stored(limit=10**6)
        seals = read_seals(self.folder / SEALS)
        key = await asyncio.to_thread(load_public_key, self.folder)
        assert verify(rows, seals, key) == []
        return [one.count for one in seals]


@pytest.fixture
async def one(url: str, tmp_path: Path) -> AsyncIterator[Controller]:
    async with Controller(url, tmp_path, "one") as made:
        yield made


@pytest.fixture
async def other(one: Controller, tmp_path: Path) -> AsyncIterator[Controller]:
    async with Controller(one.url, tmp_path, "other") as made:
        yield made


async def test_one_seals_and_both_can_prove(one: Controller, other: Controller) -> None:
    first, second = await one.sealer(), await other.sealer()
    await one.write(STRETCH + 10)
    assert await first.catch_up(partial=False) == 1
    assert await second.copy() == 1
    await other.write(20)
    assert await second.catch_up(partial=True) == 1, "goes on exactly behind the other's"
    assert await first.copy() == 2
    await first.close()
    await second.close()
    assert await one.proves() == await other.proves() == [STRETCH, 30]
    assert not (one.folder / PRIVATE_KEY).exists(), "the key is in the vault alone"
    assert (one.folder / PUBLIC_KEY).read_text() == (other.folder / PUBLIC_KEY).read_text()


async def test_one_that_ends_does_not_wait_until_all_is_sealed(
    one: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.cluster.sealer.CLOSE_S", 0.0)
    await one.write(2 * STRETCH + 10)
    for counts in ([STRETCH], [STRETCH, STRETCH], [STRETCH, STRETCH, 10]):
        sealer = await one.sealer()
        await sealer.close()
        assert [seal.count for seal in read_seals(one.folder / SEALS)] == counts


async def test_an_append_may_be_cancelled_wherever_it_lets_others_go_on(
    one: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a lease is lost in a busy loop: that is no fault, and the chain is as it was."""
    sealer = await one.sealer()
    await one.write(30)
    assert await sealer.catch_up(partial=True) == 1
    table = await SealTable.open(one.url)
    (last,) = await table.after(0)
    left = 0

    async def pause(_: float) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            appending.cancel()
        await asyncio.sleep(0)

    monkeypatch.setattr("psycopg.waiting.MAX_BUSY_TIME", 0.0)
    monkeypatch.setattr("psycopg.waiting.sleep", pause)
    for at in range(1, 20):
        left = at
        appending = asyncio.create_task(table.append(last))
        with suppress(asyncio.CancelledError):
            assert not await appending
    left = 0
    assert await table.after(0) == [last]
    await table.close()
    await sealer.close()


async def test_a_zombie_cannot_fork_the_chain(one: Controller, other: Controller) -> None:
    """Two who both believe that it is their turn make one chain without a gap or an overlap."""
    sealers = [await one.sealer(), await other.sealer()]
    async with asyncio.timeout(180):
        for round_ in range(5):
            await (one if round_ % 2 else other).write(30)
            await asyncio.gather(*(each.catch_up(partial=True) for each in sealers))
    table = await SealTable.open(one.url)
    seals = await table.after(0)
    assert [seal.number for seal in seals] == list(range(1, len(seals) + 1))
    # An old view is refused by the table, in whatever way it is old.
    last = seals[-1]
    for old in (
        last,
        msgspec.structs.replace(last, at_ms=1),
        msgspec.structs.replace(last, number=last.number + 1),
        msgspec.structs.replace(last, number=last.number + 1, previous=""),
        msgspec.structs.replace(last, number=last.number + 2, previous=last.hash()),
        msgspec.structs.replace(seals[0], number=last.number + 1, previous=seals[0].hash()),
    ):
        assert not await table.append(old)
    assert await table.after(0) == seals
    await table.close()
    for each in sealers:
        await each.close()
    assert await one.proves() == await other.proves()


async def test_sealing_goes_on_when_the_sealer_goes(one: Controller, other: Controller) -> None:
    first, second = await one.sealer(), await other.sealer()
    async with asyncio.timeout(180), asyncio.TaskGroup() as group:
        runs = [
            group.create_task(first.run(one.leases)),
            group.create_task(second.run(other.leases)),
        ]
        await one.write(50)
        await until(lambda: first.position == second.position > 0)
        (held,) = await one.leases.holders()
        gone = ["one", "other"].index(held.holder)
        runs[gone].cancel()
        rest = (first, second)[1 - gone]
        before = rest.position
        await one.write(50)
        await until(lambda: rest.position > before)
        runs[1 - gone].cancel()
    await first.close()
    await second.close()
    assert await one.proves() == await other.proves() == [50, 50]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def test_a_copy_begun_late_or_cut_short_becomes_whole(
    one: Controller, other: Controller
) -> None:
    sealer = await one.sealer()
    for _ in range(3):
        await one.write(10)
        await sealer.catch_up(partial=True)
    await sealer.close()
    whole = (one.folder / SEALS).read_bytes()
    (one.folder / SEALS).write_bytes(whole[:-20])
    again, late = await one.sealer(), await other.sealer()
    await again.copy()
    await late.copy()
    assert (one.folder / SEALS).read_bytes() == (other.folder / SEALS).read_bytes() == whole
    await again.close()
    await late.close()


async def test_the_chain_of_a_single_controller_goes_on(one: Controller, other: Controller) -> None:
    one.folder.mkdir()
    await one.write(20)
    alone = await Sealer.open(one.log, one.folder, now_ms=CLOCK.now_ms)
    await alone.close()
    key = (one.folder / PRIVATE_KEY).read_text()
    (one.folder / PRIVATE_KEY).rename(one.folder / "aside")
    with pytest.raises(SealsDamaged, match=r"without its seal\.key: put the key back"):
        await one.sealer()
    (one.folder / PRIVATE_KEY).write_text(key)
    shared = await one.sealer()
    await one.write(30)
    await shared.close()
    second = await other.sealer()
    await second.close()
    assert await one.proves() == await other.proves() == [20, 30]


async def test_a_restored_chain_goes_on_by_the_key_in_its_vault(
    one: Controller, postgres: Callable[[], str], tmp_path: Path
) -> None:
    await one.write(20)
    sealer = await one.sealer()
    await sealer.close()
    rows = await one.log.read_stored()
    secret = await one.vault.get(KEY_ID)
    async with Controller(postgres(), tmp_path, "one") as restored:
        await restored.vault.put(secret, key=KEY_ID)
        await restored.write(20)
        assert len(rows) == len(await restored.log.read_stored())
        again = await restored.sealer()
        await again.close()
        assert len(read_seals(restored.folder / SEALS)) == 1
        table = await SealTable.open(restored.url)
        assert await table.after(0) == read_seals(one.folder / SEALS)
        await table.close()


async def test_alone_it_follows_the_log(one: Controller) -> None:
    sealer = await one.sealer()
    async with asyncio.timeout(180), asyncio.TaskGroup() as group:
        run = group.create_task(sealer.run(Alone()))
        await one.write(STRETCH + 10)
        await until(lambda: sealer.position >= STRETCH)
        await sealer.close()  # before those that run it end, as a controller does
        await sealer.close()
        await asyncio.sleep(1.5)
        assert not run.done()
        run.cancel()
    assert await one.proves() == [STRETCH, 10]


async def test_what_does_not_belong_here_is_refused(
    one: Controller, other: Controller, postgres: Callable[[], str], tmp_path: Path
) -> None:
    sealer = await one.sealer()
    await one.write(10)
    await sealer.close()
    # The database was replaced by one that does not have these seals.
    async with Controller(postgres(), tmp_path, "one") as replaced:
        await replaced.write(5)
        with pytest.raises(SealsDamaged, match=r"without its seal\.key"):
            await replaced.sealer()
        (one.folder / SEALS).rename(one.folder / "aside")
        fresh = await replaced.sealer()
        await fresh.close()
        assert await replaced.proves() == [5]
    # Its copy is of another chain now, and is not written over.
    with pytest.raises(SealsDamaged, match="have another or none there"):
        await one.sealer()
    (one.folder / "aside").rename(one.folder / SEALS)
    # A seal that nobody signed gets into the table, and into no copy.
    again = await one.sealer()
    table = await SealTable.open(one.url)
    last = await table.last()
    assert last is not None
    forged = msgspec.structs.replace(last, number=last.number + 1, previous=last.hash())
    assert await table.append(forged)
    with pytest.raises(SealsDamaged, match="does not continue"):
        await again.copy()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await again.run(Alone())
    assert "does not continue" in again.fault
    await again.close()
    await table.close()
    assert await one.proves() == [10]
    with pytest.raises(SealsDamaged, match="not signed by the key in the vault"):
        await other.sealer()
