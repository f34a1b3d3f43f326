"""Jobs and the list of events that are folded of the end of a past are those of the whole past."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Event, Recorded
from aggregates.event_list import EventsArchived, EventsDeleted
from aggregates.saga import (
    SagaCancelRequested,
    SagaFailed,
    SagaMended,
    SagaParked,
    SagaProgressed,
    SagaStarted,
    SagaSucceeded,
    StepFailed,
    StepsSucceeded,
    StepUndone,
    UndoStarted,
)
from aggregates.vm import VmStopped
from benchmarks.cloud import load_nouns
from engine import past_jobs
from engine.log import Append, Log, Unit
from engine.log.log import Listener
from engine.past_jobs import ENTRIES, JOBS, RUNS, jobs_until
from projections import event_list, saga
from projections.cloud import Cloud
from tests.log.conftest import Clock

load_nouns()
WHO = UUID(int=7)


@pytest.fixture(autouse=True)
def little_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past_jobs, "LOOKED", 16)
    monkeypatch.setattr(past_jobs, "OUTLINED", 30)


class Past:
    """A log in which jobs begin, go on and end beside one another, as a seed has it."""

    def __init__(self, log: Log, rng: random.Random) -> None:
        self._log, self._rng = log, rng
        self._going: dict[UUID, str] = {}
        self._versions: dict[UUID, int] = {}
        self._entries: list[int] = []
        self._begun = 0

    async def live(self, steps: int) -> None:
        for _ in range(steps):
            await self._rng.choice([self._begin, self._go_on, self._go_on, self._act, self._put])()

    async def _say(self, stream: UUID, *events: Event, action: str = "") -> None:
        before = self._versions.get(stream, 0)
        self._versions[stream] = before + len(events)
        unit = Unit((Append(stream, before, events),), user=WHO, account=WHO, action=action)
        told = await self._log.append(unit)
        self._entries.append(told[0].position)

    async def _begin(self) -> None:
        self._begun += 1
        action = self._rng.choice(["VM.CREATE", "SYSTEM", "", "VM.STOP"])
        stream = UUID(int=self._rng.getrandbits(128))
        self._going[stream] = "begun"
        await self._say(stream, SagaStarted(
            name="vm.start", command="c", action=action, user_id=WHO, account_id=WHO,
            subject_kind="vm", subject_id=UUID(int=self._begun), intent={"n": self._begun},
        ), action=action)  # fmt: skip

    async def _go_on(self) -> None:
        """The oldest jobs go on seldom, so that some stay for as long as there is a past."""
        if not self._going:
            return
        stream = self._rng.choice(list(self._going)[-6:])
        at = self._going[stream]
        step = f"s{self._rng.randrange(4)}"
        wrong = {"step": step, "error": "Refused", "text": "no"}
        if at == "parked":
            self._going[stream] = "begun"
            await self._say(stream, SagaMended(way=self._rng.choice(["retry", "skip"])))
        elif at == "undoing":
            if self._rng.random() < 0.5:
                del self._going[stream]
                await self._say(stream, StepUndone(step=step), SagaFailed())
            else:
                await self._say(stream, StepUndone(step=step))
        else:
            await self._say(stream, *self._next(stream, step, wrong))

    def _next(self, stream: UUID, step: str, wrong: dict[str, str]) -> Sequence[Event]:
        chosen = self._rng.randrange(8)
        if chosen < 3:
            del self._going[stream]
            return (SagaSucceeded(outputs={step: {"n": chosen}}),)
        if chosen == 3:
            self._going[stream] = "undoing"
            return (UndoStarted(**wrong),)
        if chosen == 4:
            self._going[stream] = "parked"
            return (SagaParked(**wrong),)
        if chosen == 5:
            return (SagaCancelRequested(), StepFailed(step=step, error="Unknown", text="?"))
        return (SagaProgressed(percent=5, text="t"), StepsSucceeded(outputs={step: None}))

    async def _act(self) -> None:
        action = self._rng.choice(["VM.START", "SYSTEM", ""])
        await self._say(UUID(int=1 + self._rng.randrange(3)), VmStopped(), action=action)

    async def _put(self) -> None:
        """Some of what there ever was is put away, what is forgotten included."""
        if not self._entries or self._rng.random() < 0.5:
            return
        kind = self._rng.choice([EventsArchived, EventsDeleted])
        some = self._rng.sample(self._entries, min(3, len(self._entries)))
        await self._say(UUID(int=9), kind(positions=some), action="EVENTS.AWAY")


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("runs", "entries"), [(5, 12), (2, 40), (20, 3), (10_000, 5), (3, 50_000)])
async def test_the_end_of_a_past_is_enough(
    seed: int, runs: int, entries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saga, "KEPT_FINISHED", runs)
    monkeypatch.setattr(event_list, "KEPT", entries)
    log = await Log.open(f"sqlite:///{tmp_path}/log.db", now_ms=Clock())
    try:
        await Past(log, random.Random(seed)).live(250)
        end = await log.position()
        for until in (end, end * 2 // 3, 5):
            whole = Cloud().defer(JOBS)
            async for batch in log.read(until=until):
                whole.fold(batch)
            told = whole.settle().encode()
            jobs, listed = await jobs_until(log, until)
            assert jobs.settle().encode()[RUNS] == told[RUNS]
            assert listed.settle().encode()[ENTRIES] == told[ENTRIES]
    finally:
        await log.close()


async def test_what_is_forgotten_is_hardly_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saga, "KEPT_FINISHED", 3)
    monkeypatch.setattr(event_list, "KEPT", 3)
    log = await Log.open(f"sqlite:///{tmp_path}/log.db", now_ms=Clock())
    try:
        await Past(log, random.Random(1)).live(1_500)
        end, read = await log.position(), 0
        fold_past = log.fold_past

        async def counted(fold: Listener, **asked: Any) -> None:
            def folded(batch: Sequence[Recorded]) -> None:
                nonlocal read
                read += len(batch)
                fold(batch)

            await fold_past(folded, **asked)

        monkeypatch.setattr(log, "fold_past", counted)
        await jobs_until(log, end)
        assert end > 1_500 > 15 * read
    finally:
        await log.close()
