"""A long past that two processes fold is the one that a single process folds."""

from __future__ import annotations

import json
import logging
import sqlite3
import sys
from pathlib import Path

import pytest

from engine import halves, history
from engine.halves import OTHER_HALF, fold_halved
from engine.history import History
from engine.log import Log, Unreadable
from projections import shared as sharing
from projections.cloud import Cloud, Derived, Reading
from tests.sagas.rig import Rig, new_sim, rig
from tests.sagas.seed import running, seed


async def _live(r: Rig) -> None:
    """A cloud in which a guest was deployed."""
    await seed(r)
    await running(r)


@pytest.fixture(autouse=True)
def all_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "LONG", 1)
    monkeypatch.setattr(history, "cores", lambda: 2)


async def test_two_processes_fold_what_one_does(tmp_path: Path) -> None:
    async with rig(tmp_path, new_sim()) as r:
        await _live(r)
        end = r.cloud.position
        for until in (end, end // 2):
            alone = await History(r.log, tmp_path).until(until)  # type: ignore[arg-type]
            cloud = await fold_halved(r.log, until)  # type: ignore[arg-type]
            assert cloud is not None
            assert cloud.settle().digest() == alone.digest()
            assert (cloud.position, cloud.at_ms) == (alone.position, alone.at_ms)
        assert r.cloud.encode().keys() > OTHER_HALF


@pytest.mark.parametrize("said", ["import sys; sys.exit('no memory')", "print('?')", "", "gone"])
async def test_one_folds_all_where_the_other_fails(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if said == "gone":
        monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    monkeypatch.setattr(halves, "PROGRAM", ("-c", said))
    async with rig(tmp_path, new_sim()) as r:
        await _live(r)
        with caplog.at_level(logging.WARNING, "sagastack.history"):
            rebuilt = await r.history.rebuild()
        assert rebuilt.digest() == r.cloud.digest()
    assert "the past is folded by one process: " in caplog.text
    assert said != "import sys; sys.exit('no memory')" or "no memory" in caplog.text


@pytest.mark.parametrize("kind", ["vm", "saga"])
async def test_what_cannot_be_read_is_said_as_ever(kind: str, tmp_path: Path) -> None:
    async with rig(tmp_path, new_sim()) as r:
        await _live(r)
    with sqlite3.connect(tmp_path / "log.db") as rows:
        spoilt = b'{"at":1}', f"{kind}.%"
        rows.execute("UPDATE stored_events SET state=? WHERE topic LIKE ?", spoilt)
    rows.close()
    log = await Log.open(f"sqlite:///{tmp_path}/log.db", now_ms=lambda: 0, read_only=True)
    with pytest.raises(Unreadable, match=rf"{kind}\."):
        await History(log, tmp_path).rebuild()
    assert not sharing._ids, "what is remembered of a past goes with it"
    await log.close()


async def test_what_another_release_wrote_is_not_passed_over(tmp_path: Path) -> None:
    async with rig(tmp_path, new_sim()) as r:
        await _live(r)
    with sqlite3.connect(tmp_path / "log.db") as rows:
        rows.execute("UPDATE stored_events SET topic='vm.dreamt' WHERE topic='vm.started'")
    rows.close()
    log = await Log.open(f"sqlite:///{tmp_path}/log.db", now_ms=lambda: 0, read_only=True)
    with pytest.raises(Unreadable, match=r"vm\.dreamt"):
        await History(log, tmp_path).rebuild()
    await log.close()


@pytest.mark.parametrize("named", ["no id at all", "a5"])
async def test_a_promise_of_nothing_is_told_by_its_position(named: str, tmp_path: Path) -> None:
    """Its id stays a text while a past is folded, and is looked at only at its end."""
    async with rig(tmp_path, new_sim()) as r:
        await _live(r)
        stored = await r.log.read_stored()
    (held,) = [one for one in stored if one.topic == "capacity.held"]
    fields = json.loads(held.state)
    fields["d"]["hold"] = named
    with sqlite3.connect(tmp_path / "log.db") as rows:
        spoilt = json.dumps(fields, separators=(",", ":")).encode(), held.position
        rows.execute("UPDATE stored_events SET state=? WHERE rowid=?", spoilt)
    rows.close()
    log = await Log.open(f"sqlite:///{tmp_path}/log.db", now_ms=lambda: 0, read_only=True)
    for folded in (History(log, tmp_path).rebuild(), History(log, tmp_path).latest()):
        with pytest.raises(Unreadable, match=f"position {held.position} "):
            await folded
    await log.close()


def test_the_other_half_stands_alone() -> None:
    """It reads no tables; a fold that does, or is made of them, is of the first half."""
    parts = Cloud()._parts()
    apart = [parts[name] for name in OTHER_HALF]
    assert not [one for one in apart if isinstance(one, (Reading, Derived))]
    assert [name for name, one in parts.items() if hasattr(one, "acted")] == ["fold:EventList"]
