"""Keeps what each account used in each hour, to the millisecond and exactly once.

    python -m consumers.examples.billing "kafka://broker:9092?group=billing" postgres://bill@db/bill

`usage_hour` has a row for each account and hour: seconds in which guests ran, and those times
their processors and their memory. What runs now is in `usage_running`, and joins the hours when it
ends or changes; the view `usage_now` shows both together up to this moment. Everything goes by the
times of the events, so it does not matter when, how often or how late this runs.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from consumers import Event
from consumers.examples.options import follow, is_group, parser, run
from consumers.sink import Connection, PostgresSink

TOPICS = [
    "vm.created", "vm.started", "vm.stopped", "vm.scaled", "vm.assigned", "vm.destroyed",
    "vm.expunged", "vm.unmanaged",
]  # fmt: skip
# The hours of a span, each with the part of it that lies in that hour.
HOURS = """SELECT account_id, hour, part AS vm_s, part * cpu_count AS cpu_s,
        part * memory_mib AS memory_mib_s
    FROM spans, generate_series(date_trunc('hour', since, 'UTC'), until, interval '1 hour') AS hour,
        LATERAL (SELECT extract(epoch FROM
            least(until, hour + interval '1 hour') - greatest(since, hour)) AS part) AS parts
    WHERE part > 0"""
SETUP = (
    """CREATE TABLE IF NOT EXISTS usage_vm (
        vm_id uuid PRIMARY KEY, account_id uuid NOT NULL, cpu_count int NOT NULL,
        memory_mib int NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS usage_running (
        vm_id uuid PRIMARY KEY REFERENCES usage_vm, since timestamptz NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS usage_hour (
        account_id uuid, hour timestamptz, vm_s numeric NOT NULL, cpu_s numeric NOT NULL,
        memory_mib_s numeric NOT NULL, PRIMARY KEY (account_id, hour))""",
    f"""CREATE OR REPLACE VIEW usage_now AS
        WITH spans AS (SELECT *, now() AS until FROM usage_running JOIN usage_vm USING (vm_id))
        SELECT account_id, hour, sum(vm_s) AS vm_s, sum(cpu_s) AS cpu_s,
            sum(memory_mib_s) AS memory_mib_s
        FROM (SELECT * FROM usage_hour UNION ALL {HOURS}) AS parts GROUP BY account_id, hour""",
)
KNOW = """INSERT INTO usage_vm VALUES (%s, %s, %s, %s) ON CONFLICT (vm_id) DO UPDATE SET
    account_id = excluded.account_id, cpu_count = excluded.cpu_count,
    memory_mib = excluded.memory_mib"""
BEGIN = "INSERT INTO usage_running SELECT vm_id, %s FROM usage_vm WHERE vm_id = %s"
# One statement: it adds the span to its hours, each row of which other guests share.
END = f"""WITH ended AS (DELETE FROM usage_running WHERE vm_id = %s RETURNING *),
    spans AS (SELECT ended.*, account_id, cpu_count, memory_mib, %s::timestamptz AS until
        FROM ended JOIN usage_vm USING (vm_id))
    INSERT INTO usage_hour {HOURS} ORDER BY hour
    ON CONFLICT (account_id, hour) DO UPDATE SET vm_s = usage_hour.vm_s + excluded.vm_s,
        cpu_s = usage_hour.cpu_s + excluded.cpu_s,
        memory_mib_s = usage_hour.memory_mib_s + excluded.memory_mib_s"""
RUNS = "SELECT true FROM usage_running WHERE vm_id = %s"
RESIZE = "UPDATE usage_vm SET cpu_count = %s, memory_mib = %s WHERE vm_id = %s"
GIVE = "UPDATE usage_vm SET account_id = %s WHERE vm_id = %s"


async def bill(connection: Connection, event: Event) -> None:
    """What one event means for the bill. Plain fields are enough, so no class needs to be known."""
    vm_id, fields = event.stream, event.fields
    match event.topic:
        case "vm.created":
            sizes = (fields["cpu_count"], fields["memory_mib"])
            await connection.execute(KNOW, (vm_id, fields["account_id"], *sizes))
        case "vm.started":
            await _end(connection, event)
            await connection.execute(BEGIN, (event.at, vm_id))
        case "vm.scaled":
            resized = (fields["cpu_count"], fields["memory_mib"], vm_id)
            await _change(connection, event, RESIZE, resized)
        case "vm.assigned":
            await _change(connection, event, GIVE, (fields["account_id"], vm_id))
        case _:
            await _end(connection, event)


async def _end(connection: Connection, event: Event) -> None:
    await connection.execute(END, (event.stream, event.at))


async def _change(
    connection: Connection, event: Event, statement: str, values: tuple[Any, ...]
) -> None:
    """The span up to now is the old one's; another begins if it runs."""
    runs = await (await connection.execute(RUNS, (event.stream,))).fetchone()
    if runs is not None:
        await _end(connection, event)
    await connection.execute(statement, values)
    if runs is not None:
        await connection.execute(BEGIN, (event.at, event.stream))


async def usage(connection: Connection, account_id: UUID) -> list[tuple[Any, ...]]:
    """The hours of an account that are over or paid for: hour, and its three sums."""
    found = await connection.execute(
        "SELECT hour, vm_s, cpu_s, memory_mib_s FROM usage_hour WHERE account_id = %s "
        "ORDER BY hour",
        (account_id,),
    )
    return await found.fetchall()


async def opened(database: str) -> PostgresSink:
    return await PostgresSink.open(database, "billing", setup=SETUP)


async def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("database", help="postgres://...")
    asked = options.parse_args()
    async with await opened(asked.database) as sink:
        after = None if is_group(asked.source) else await sink.place()
        await sink.run(follow(asked.source, topics=TOPICS, after=after), bill)


if __name__ == "__main__":
    raise SystemExit(run(main))
