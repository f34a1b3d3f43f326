"""Keeps a table of what exists, exactly as the cloud knows it, in a database of your own.

    python -m consumers.examples.cmdb https://cloud:8080/events postgres://cmdb@db/cmdb

Each row of `cmdb_item` is a thing: its noun, name, owner, and all its fields as JSON. The rows are
folded by the cloud's own rules (the `apply` of each event's class), so they never drift from what
the cloud says. What this program is too old to know is left as it was, and told.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from aggregates.base import AGGREGATES, Aggregate, Recorded, build
from aggregates.base import Event as Happened
from consumers import Event, Stream
from consumers.examples.options import follow, is_group, parser, run
from consumers.sink import Connection, PostgresSink

NOUNS = (
    "zone", "pod", "cluster", "host", "storage_pool", "vm", "volume", "snapshot", "template",
    "network", "vpc", "public_ip_address", "account", "domain", "project",
)  # fmt: skip
TABLE = """CREATE TABLE IF NOT EXISTS cmdb_item (
    id uuid PRIMARY KEY, noun text NOT NULL, name text NOT NULL, account_id uuid,
    fields jsonb NOT NULL, version int NOT NULL, changed_at timestamptz NOT NULL)"""
PUT = """INSERT INTO cmdb_item VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, account_id = excluded.account_id,
    fields = excluded.fields, version = excluded.version, changed_at = excluded.changed_at"""
GET = "SELECT fields::text FROM cmdb_item WHERE id = %s"
DROP = "DELETE FROM cmdb_item WHERE id = %s"


async def keep(connection: Connection, event: Event) -> None:
    """Let one event happen to its row."""
    data = event.data
    if not isinstance(data, Happened):
        print(f"{event.topic} is newer than this program: {event.id} is left out", file=sys.stderr)
    elif data.REMOVES:
        await connection.execute(DROP, (event.stream,))
    elif data.CREATES is not None:
        await _put(connection, build(_recorded(event, data)), event)
    else:
        found = await (await connection.execute(GET, (event.stream,))).fetchone()
        if found is not None:
            row: Any = msgspec.json.decode(found[0], type=AGGREGATES[event.noun])
            data.apply(row, _at_ms(event))
            row.version = event.version
            await _put(connection, row, event)


async def _put(connection: Connection, row: Aggregate, event: Event) -> None:
    fields = msgspec.json.encode(row).decode()
    name, owner = getattr(row, "name", ""), getattr(row, "account_id", None)
    values = (row.id, event.noun, name, owner, fields, row.version, event.at)
    await connection.execute(PUT, values)


def _recorded(event: Event, data: Happened) -> Recorded:
    return Recorded(
        position=event.position,
        stream=event.stream,
        version=event.version,
        at_ms=_at_ms(event),
        event=data,
    )


def _at_ms(event: Event) -> int:
    return round(event.at.timestamp() * 1000)


def topics(nouns: Iterable[str] = NOUNS) -> list[str]:
    return [f"{noun}.*" for noun in nouns]


async def sync(stream: Stream, sink: PostgresSink) -> None:
    """Keep the table for as long as the stream lasts."""
    await sink.run(stream, keep)


async def opened(database: str) -> PostgresSink:
    return await PostgresSink.open(database, "cmdb", setup=[TABLE])


async def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("database", help="postgres://...")
    asked = options.parse_args()
    async with await opened(asked.database) as sink:
        after = None if is_group(asked.source) else await sink.place()
        await sync(follow(asked.source, topics=topics(), after=after), sink)


if __name__ == "__main__":
    raise SystemExit(run(main))
