"""A consumer with a sink, in a process of its own that a test kills: `source database name`."""

from __future__ import annotations

import asyncio
import sys

from consumers import Event, consume
from consumers.sink import Connection, PostgresSink

SETUP = (
    "CREATE TABLE IF NOT EXISTS effect (number bigserial, event text, position bigint)",
    "CREATE TABLE IF NOT EXISTS total (noun text PRIMARY KEY, events bigint)",
)


async def effect(connection: Connection, event: Event) -> None:
    """Neither part would notice a second time by itself."""
    await asyncio.sleep(0.002)
    await connection.execute(
        "INSERT INTO effect (event, position) VALUES (%s, %s)", (event.id, event.position)
    )
    await connection.execute(
        "INSERT INTO total VALUES (%s, 1) ON CONFLICT (noun) DO UPDATE "
        "SET events = total.events + 1",
        (event.noun,),
    )


async def main(source: str, database: str, name: str) -> None:
    async with await PostgresSink.open(database, name, setup=SETUP) as sink:
        stream = consume(source)
        told = stream.commit

        async def late(event: Event | None = None) -> bool:
            """The moment that matters most lasts: the effect is kept, and Kafka knows nothing."""
            await asyncio.sleep(0.1)
            return await told(event)

        stream.commit = late  # type: ignore[method-assign]
        await sink.run(stream, effect, batch_events=20)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
