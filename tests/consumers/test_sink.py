"""Effect and place are one: whatever is repeated, broken off or done by two is done once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from consumers import Event, Stream
from consumers.sink import Connection, PostgresSink
from tests.peers.postgres import Cluster

SETUP = ("CREATE TABLE IF NOT EXISTS effect (event text, position bigint)",)


def made(position: int, partition: int = 0) -> Event:
    stream = UUID(int=position)
    return Event(
        id=f"{stream}/1", position=position, stream=stream, version=1, topic="toy.made",
        at=datetime.fromtimestamp(0, UTC), data={}, partition=partition,
    )  # fmt: skip


class Told(Stream):
    """A source that tells these events, and what was committed of them."""

    def __init__(self, events: Sequence[Event]) -> None:
        super().__init__(after=0, topics=(), checkpoint=None)
        self._told, self.committed = events, list[int]()

    async def _events(self, after: int) -> AsyncIterator[Event]:
        for one in self._told:
            yield one

    async def commit(self, event: Event | None = None) -> bool:
        assert event is not None
        self.committed.append(event.position)
        return True

    async def close(self) -> None:
        return


async def effect(connection: Connection, event: Event) -> None:
    await connection.execute("INSERT INTO effect VALUES (%s, %s)", (event.id, event.position))


def effects(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT position FROM effect ORDER BY position").fetchall()
    return [int(row[0]) for row in rows]


async def opened(url: str, **more: Any) -> PostgresSink:
    return await PostgresSink.open(url, "toys", setup=SETUP, **more)


async def test_what_comes_again_has_no_effect_again(postgres: Callable[[], str]) -> None:
    url, stream = postgres(), Told([made(1), made(2), made(2), made(5)])
    async with await opened(url) as sink:
        await sink.run(stream, effect, batch_events=3)
    assert stream.committed[-1] == 5
    async with await opened(url) as sink:
        assert await sink.place() == 5
        await sink.run(Told([made(1), made(2), made(5), made(7)]), effect)
    assert effects(url) == [1, 2, 5, 7]


async def test_an_effect_that_fails_leaves_nothing_of_its_batch(
    postgres: Callable[[], str],
) -> None:
    url = postgres()

    async def refuse(connection: Connection, event: Event) -> None:
        await effect(connection, event)
        if event.position == 2:
            raise ValueError("two is too many")

    stream = Told([made(1), made(2)])
    async with await opened(url) as sink:
        with pytest.raises(ValueError, match="too many"):
            await sink.run(stream, refuse)
        assert (await sink.place(), effects(url), stream.committed) == (0, [], [])
        await sink.run(Told([made(1), made(2)]), effect)
    assert effects(url) == [1, 2]


async def test_partitions_have_places_of_their_own(postgres: Callable[[], str]) -> None:
    url, mixed = postgres(), [made(4, 1), made(1, 0), made(6, 1), made(3, 0)]
    async with await opened(url) as sink:
        assert await sink.take(mixed, effect) == 4
        assert (await sink.place(0), await sink.place(1)) == (3, 6)
        assert await sink.take([made(6, 1), made(5, 0), made(7, 1)], effect) == 2
    assert effects(url) == [1, 3, 4, 5, 6, 7]


async def test_two_members_that_both_think_the_partition_is_theirs(
    postgres: Callable[[], str],
) -> None:
    """As after a pause that the group did not wait for."""
    url = postgres()
    events = [made(n) for n in range(1, 101)]
    async with await opened(url) as one, await opened(url) as other:
        async with asyncio.TaskGroup() as group:
            group.create_task(one.run(Told(events), effect, batch_events=7))
            group.create_task(other.run(Told(events), effect, batch_events=11))
    assert effects(url) == list(range(1, 101))


async def test_a_database_that_goes_away_is_waited_for(postgres_cluster: Cluster) -> None:
    """Whether the commit that broke off came to be or not: the place tells it."""
    url = postgres_cluster.database()
    seen: list[int] = []

    async def pull_the_plug(connection: Connection, event: Event) -> None:
        await effect(connection, event)
        seen.append(event.position)
        if seen == [1, 2]:
            await asyncio.to_thread(postgres_cluster.stop, "immediate")
            await asyncio.to_thread(postgres_cluster.start)

    async with await opened(url) as sink:
        await sink.run(Told([made(1), made(2), made(3)]), pull_the_plug, batch_events=2)
    assert seen == [1, 2, 1, 2, 3]
    assert effects(url) == [1, 2, 3]
