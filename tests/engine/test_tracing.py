"""The runner tells a tracer of every attempt, every undo and every round of decisions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aggregates.saga import RunState, SagaRun
from drivers.contract.errors import Refused, Unavailable
from engine.tracing import Scope, Tracer
from tests.engine.acting import Script, always, failing, until
from tests.engine.toys import CALLS, Fan, Toy
from tests.sagas.rig import Rig


class Told:
    """Notes what it is told, in order, with the class of what went wrong inside."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def step(self, row: SagaRun, step: str, *, undo: bool = False) -> Scope:
        return self._around(f"undo {step}" if undo else step)

    def decisions(self, row: SagaRun) -> Scope:
        return self._around("decisions")

    def left(self, row: SagaRun) -> None:
        self.said.append(f"left {row.state}")

    @contextmanager
    def _around(self, what: str) -> Iterator[None]:
        at = len(CALLS)
        try:
            yield
        except Exception as error:
            self.said.append(f"{what}: {type(error).__name__}")
            raise
        else:
            self.said.append(" ".join([what, *CALLS[at:]]))


async def told_of(r: Rig, ask: object) -> tuple[RunState, list[str]]:
    """How a run ended, and what was said of it until it was left."""
    told = Told()
    tracer: Tracer = told
    r.engine.runner.tracer = tracer
    row = await r.run(ask)
    await until(lambda: told.said[-1].startswith("left"))
    return row.state, told.said


async def test_a_run_that_succeeds_is_told_from_its_first_work_on(r: Rig) -> None:
    state, said = await told_of(r, Toy())
    assert state is RunState.SUCCEEDED
    assert said == ["decisions", "act act", "decisions finish", "left Succeeded"]


async def test_each_attempt_is_told_with_what_went_wrong(r: Rig, script: Script) -> None:
    script["act"] = failing(Unavailable("not now"))
    _, said = await told_of(r, Toy())
    assert said[:3] == ["decisions", "act: Unavailable", "act act"]


async def test_undos_are_told_whether_they_decide_or_act(r: Rig, script: Script) -> None:
    script["act"] = always(Refused("no"))
    state, said = await told_of(r, Toy())
    assert state is RunState.FAILED
    undone = ["undo act unact", "undo plan unplan", "undo begin end"]
    assert said == ["decisions", "act: Refused", *undone, "left Failed"]


async def test_steps_side_by_side_are_each_told(r: Rig) -> None:
    _, said = await told_of(r, Fan())
    assert {said[1].split()[0], said[2].split()[0]} == {"left", "right"}
    assert said[-2:] == ["decisions", "left Succeeded"]
