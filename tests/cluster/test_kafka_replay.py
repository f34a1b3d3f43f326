"""A cloud comes back from Kafka alone: the same rows, under the same seals, folded the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.cluster.relay import Relay
from engine.cluster.topics import Topics
from engine.log import Log, Sealer, Stored
from engine.log.stores import open_store
from tests.cluster.published import make_topic, publisher
from tests.cluster.relay_help import caught_up, running
from tests.log.toys import unit
from tests.peers.kafka import Kafka
from tests.sagas.rig import new_sim, rig
from tests.sagas.seed import deploy, seed
from tests.tools.conftest import run_tool

GUESTS = 3


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """The data folder of a cloud that has lived, sealed, and is at rest."""
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        for number in range(GUESTS):
            await r.run(deploy(f"web{number}"))
        sealer = await Sealer.open(r.log._log, tmp_path, now_ms=SystemClock().now_ms)
        await sealer.close()
    return tmp_path


def rows_of(url: str) -> list[Stored]:
    store = open_store(url, read_only=True)
    try:
        return store.rows(0, None, 1_000_000)
    finally:
        store.close()


def live(home: Path) -> str:
    return f"sqlite:///{home}/log.db"


async def publish(home: Path, kafka: Kafka, topics: Topics) -> None:
    """By the relay itself."""
    log = await Log.open(live(home), now_ms=SystemClock().now_ms)
    relay = Relay(log, kafka.servers, topics, SystemClock())
    async with running(relay):
        await caught_up(log, relay)
    await log.close()


async def publish_rows(kafka: Kafka, topics: Topics, rows: list[Stored]) -> None:
    """By somebody who does as the relay does, with other rows."""
    await make_topic(kafka.servers, topics.events, topics.partitions)
    async with publisher(kafka.servers, topics.events) as forger:
        await forger.publish(rows)


async def replay(home: Path, kafka: Kafka, into: str, *words: str) -> tuple[int, Any, str]:
    """The tool's status, what it told as JSON, and its errors."""
    status, out, err = await asyncio.to_thread(
        run_tool, "--home", str(home), "replay", "--kafka", kafka.servers, "--into", into,
        "--topics", kafka.prefix, "--json", *words,
    )  # fmt: skip
    return status, json.loads(out) if out else None, err


@pytest.fixture(params=["sqlite", "postgres"])
def into(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/copy/log.db"
    fresh: Callable[[], str] = request.getfixturevalue("postgres")
    return fresh()


async def test_a_cloud_comes_back_from_kafka_alone(
    home: Path, kafka: Kafka, topics: Topics, into: str
) -> None:
    await publish(home, kafka, topics)
    status, told, err = await replay(home, kafka, into, "--seals", str(home))
    rows = rows_of(live(home))
    assert (status, told["ok"]) == (0, True), f"{told} {err}"
    assert rows_of(into) == rows
    assert (told["events"], told["position"], told["behind"]) == (len(rows), rows[-1].position, 0)
    assert told["sealed_to"] == rows[-1].position and told["differing"] == []

    status, told, err = await replay(home, kafka, into)
    assert (status, told) == (1, None) and "replay into an empty store only" in err
    assert rows_of(into) == rows


async def test_the_copy_takes_over(home: Path, kafka: Kafka, topics: Topics, into: str) -> None:
    """What is written to the copy goes on behind what it has."""
    await publish(home, kafka, topics)
    assert (await replay(home, kafka, into))[0] == 0
    end = rows_of(into)[-1].position
    log = await Log.open(into, now_ms=SystemClock().now_ms)
    (written,) = await log.append(unit())
    await log.close()
    assert written.position == end + 1


async def test_kafka_may_be_behind_and_says_by_how_much(
    home: Path, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    rows = rows_of(live(home))
    await publish_rows(kafka, topics, rows[:-7])
    status, told, _ = await replay(home, kafka, f"sqlite:///{tmp_path}/copy/log.db")
    assert (status, told["behind"], told["differing"]) == (0, 7, [])


async def test_a_row_that_was_changed_in_kafka_is_found(
    home: Path, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    rows = rows_of(live(home))
    at = next(n for n, row in enumerate(rows) if row.topic == "vm.created")
    rows[at] = rows[at]._replace(state=rows[at].state.replace(b"web0", b"evil"))
    await publish_rows(kafka, topics, rows)
    status, told, _ = await replay(
        home, kafka, f"sqlite:///{tmp_path}/copy/log.db", "--seals", str(home)
    )
    assert (status, told["ok"]) == (1, False)
    assert any("an event is not what was sealed" in fault for fault in told["faults"])
    assert "table:vm" in told["differing"]


async def test_without_a_served_log_the_copy_stands_by_its_seals(
    home: Path, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    await publish(home, kafka, topics)
    status, told, _ = await replay(
        tmp_path / "elsewhere", kafka, f"sqlite:///{tmp_path}/copy/log.db", "--seals", str(home)
    )
    assert (status, told["behind"], told["seals"]) == (0, None, 1)
    assert any("to compare with" in note for note in told["notes"])


async def test_a_log_with_a_hole_is_not_written_at_all(
    home: Path, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    rows = rows_of(live(home))
    await make_topic(kafka.servers, topics.events, topics.partitions)
    async with publisher(kafka.servers, topics.events) as relay:
        relay.last = rows[4].position
        await relay.publish(rows[5:])
    path = tmp_path / "copy/log.db"
    status, told, err = await replay(home, kafka, f"sqlite:///{path}")
    assert (status, told) == (1, None)
    assert f"rows behind position 0 up to {rows[4].position} are missing" in err
    assert not path.exists()


async def test_where_from_and_where_to_belong_together(home: Path) -> None:
    status, _, err = await asyncio.to_thread(
        run_tool, "--home", str(home), "replay", "--kafka", "127.0.0.1:1"
    )
    assert status == 1 and "--kafka and --into belong together" in err
