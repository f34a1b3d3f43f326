"""What every earlier release stored is read, lifted and folded by this one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aggregates.base import EVENTS
from engine.log import Log, Stored, codec
from engine.nouns import load
from sagastack.tools.upgrade import check
from tests.log.corpus import RELEASES, SAMPLES, corpora, fill, read
from tests.tools.run import run_tool

load("aggregates", "projections", "engine.decisions", "engine.sagas")

LOGS = [path for path in corpora() if path.name != SAMPLES]


@asynccontextmanager
async def log_of(rows: Sequence[Stored], home: Path) -> AsyncIterator[Log]:
    url = f"sqlite://{home}/log.db"
    fill(url, rows)
    log = await Log.open(url, now_ms=lambda: 0, read_only=True)
    try:
        yield log
    finally:
        await log.close()


@pytest.mark.parametrize("path", LOGS, ids=lambda path: f"{path.parent.name}/{path.name}")
async def test_an_earlier_release_s_log_goes_on_here(path: Path, tmp_path: Path) -> None:
    rows = list(read(path))
    async with log_of(rows, tmp_path) as log:
        done = await check(log)
    assert done.faults == [] and done.events == len(rows) > 100


@pytest.mark.parametrize("release", sorted(one.name for one in RELEASES.iterdir() if one.is_dir()))
def test_every_event_of_a_release_is_read(release: str) -> None:
    """Also the rare ones, of which a sample alone is kept."""
    topics = set()
    for path in corpora():
        if path.parent.name == release:
            for row in read(path):
                assert codec.decode(row).topic == row.topic
                topics.add(row.topic)
    assert topics <= set(EVENTS) and len(topics) > 300, "a corpus holds nearly all that there was"


# ---- what is not as it should be -----------------------------------------------------------


@pytest.fixture
def rows() -> list[Stored]:
    return list(read(LOGS[0]))


async def faults(rows: Sequence[Stored], home: Path) -> list[str]:
    async with log_of(rows, home) as log:
        return (await check(log)).faults


async def test_a_topic_of_a_newer_release(rows: list[Stored], tmp_path: Path) -> None:
    rows[7] = rows[7]._replace(topic="vm.teleported")
    (fault,) = await faults(rows, tmp_path)
    assert "vm.teleported in shape 1" in fault and "position 8" in fault
    assert "start that one on this store" in fault


async def test_a_shape_of_a_newer_release(rows: list[Stored], tmp_path: Path) -> None:
    at = next(n for n, row in enumerate(rows) if row.topic == "zone.created")
    rows[at] = rows[at]._replace(state=b'{"v":9,' + rows[at].state[1:])
    (fault,) = await faults(rows, tmp_path)
    assert "zone.created in shape 9" in fault and "newer release" in fault


async def test_an_event_that_cannot_be_read(rows: list[Stored], tmp_path: Path) -> None:
    at = next(n for n, row in enumerate(rows) if row.topic == "zone.created")
    rows[at] = rows[at]._replace(state=rows[at].state.replace(b'"name":"', b'"game":"'))
    (fault,) = await faults(rows, tmp_path)
    assert "zone.created" in fault and "sagastack verify" in fault


async def test_an_event_that_cannot_be_folded(rows: list[Stored], tmp_path: Path) -> None:
    at = next(n for n, row in enumerate(rows) if row.topic == "saga.started")
    del rows[at]
    found = await faults(rows, tmp_path)
    assert len(found) == 1 and "cannot be folded" in found[0]


async def test_a_job_that_this_release_has_no_steps_for(rows: list[Stored], tmp_path: Path) -> None:
    at = next(
        n for n, row in enumerate(rows)
        if row.topic == "saga.started" and b'"vm.deploy:1"' in row.state
    )  # fmt: skip
    run = rows[at].stream
    rows = [
        row for n, row in enumerate(rows)
        if n <= at and (row.stream != run or row.topic == "saga.started")
    ]  # fmt: skip
    assert await faults(rows, tmp_path) == []
    rows[at] = rows[at]._replace(state=rows[at].state.replace(b"vm.deploy:1", b"vm.deploy:0"))
    (tmp_path / "old").mkdir()
    (fault,) = await faults(rows, tmp_path / "old")
    assert "vm.deploy:0, unknown here" in fault and "let the job end" in fault


def test_the_tool_says_so(rows: list[Stored], tmp_path: Path) -> None:
    fill(f"sqlite://{tmp_path}/log.db", rows)
    words = ("--home", str(tmp_path), "upgrade", "--check")
    status, out, _ = run_tool(*words, "--json")
    told = json.loads(out)
    assert status == 0 and told["ok"] is True and told["events"] == len(rows)
    status, out, _ = run_tool(*words)
    assert status == 0 and "this release can go on with it" in out
    rows[7] = rows[7]._replace(topic="vm.teleported")
    (tmp_path / "newer").mkdir()
    fill(f"sqlite://{tmp_path}/newer/log.db", rows)
    status, out, _ = run_tool("--home", str(tmp_path / "newer"), "upgrade", "--check")
    assert status == 1 and "FAULT" in out and "can NOT" in out


def test_there_is_nothing_but_to_check(tmp_path: Path) -> None:
    status, _, err = run_tool("--home", str(tmp_path), "upgrade")
    assert status == 2 and "--check" in err
