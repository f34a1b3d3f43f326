"""The saga kernel and its log: restarts, commits that fail, and commits that nobody heard of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from aggregates.errors import Conflict
from aggregates.saga import RunState, SagaSucceeded
from drivers.contract.errors import Refused
from engine.intents.record import CreateRecord, UpdateRecord
from engine.intents.saga import MendJob
from engine.log import Append as LogAppend
from engine.log import LogUnavailable, Unit
from engine.runner import CONFLICTS_MAX
from projections import saga as saga_projection
from projections.cloud import Cloud
from projections.domain import domains
from projections.saga import saga_runs
from tests.engine.acting import Script, always, hang, nothing_left, until
from tests.engine.toys import CALLS, Onward, Toy
from tests.sagas.rig import Crash, Rig, new_sim, rig

Append = Callable[[Unit], Any]


def says(unit: Unit, topic: str) -> bool:
    return any(e.TOPIC == topic for a in unit.appends for e in a.events)


def at(r: Rig, topic: str, instead: Callable[[Unit, Append], Any], *, times: int = 1) -> None:
    """Let the first `times` commits that say `topic` meet `instead`."""
    real, left = r.log.append, [times]

    async def append(unit: Unit) -> Any:
        if left[0] and says(unit, topic):
            left[0] -= 1
            return await instead(unit, real)
        return await real(unit)

    r.log.append = append  # type: ignore[method-assign]


# ---- a log that fails ----------------------------------------------------------------------


async def full(unit: Unit, real: Append) -> Any:
    raise LogUnavailable("full")


async def unheard(unit: Unit, real: Append) -> Any:
    """On disk, and the answer was lost."""
    await real(unit)
    raise LogUnavailable("the line broke")


@pytest.mark.parametrize("what", [full, unheard])
@pytest.mark.parametrize("topic", ["saga.steps_succeeded", "saga.succeeded"])
async def test_a_run_waits_for_its_log(r: Rig, what: Any, topic: str) -> None:
    job = None
    if topic == "saga.succeeded":
        at(r, topic, what, times=3 if what is full else 1)
        job = await r.engine.submit(Toy(), r.by)
    else:
        job = await r.engine.submit(Onward(), r.by)
        at(r, topic, what)
    row = await r.engine.runner.wait(job.id)
    await until(lambda: row.state is RunState.SUCCEEDED)
    stream = [one.topic for one in await r.log.read_stream(row.id)]
    assert stream.count("saga.succeeded") == 1, "what is on disk is not said twice"


@pytest.mark.parametrize("topic", ["saga.undo_started", "saga.step_undone", "saga.failed"])
@pytest.mark.parametrize("what", [full, unheard])
async def test_an_undo_waits_for_its_log_and_is_done_once(
    r: Rig, script: Script, what: Any, topic: str
) -> None:
    script["act"] = always(Refused("no"))
    at(r, topic, what, times=3 if what is full else 1)
    row = await r.run(Toy())
    assert row.state is RunState.FAILED, row.error_text
    assert nothing_left(r)
    assert row.undone == ["act", "plan", "begin"]


async def test_the_undo_of_a_decision_is_not_decided_again_once_it_is_on_disk(
    r: Rig, script: Script
) -> None:
    """What it gave back may be another job's by then."""
    script["act"] = always(Refused("no"))

    async def last(unit: Unit, real: Append) -> Any:
        return await (unheard if says(unit, "finding.mended") else plainly)(unit, real)

    at(r, "saga.step_undone", last, times=3)
    row = await r.run(Toy())
    assert (row.state, row.error) == (RunState.FAILED, "Refused")
    stream = [one.topic for one in await r.log.read_stream(row.id)]
    assert stream.count("saga.step_undone") == 3


async def plainly(unit: Unit, real: Append) -> Any:
    return await real(unit)


async def test_a_caller_is_told_that_the_log_cannot_be_written(r: Rig) -> None:
    at(r, "saga.started", full)
    with pytest.raises(LogUnavailable):
        await r.engine.submit(Toy(), r.by)
    assert not list(r.cloud[saga_runs])


async def test_a_job_that_was_accepted_unheard_is_worked_on(r: Rig) -> None:
    at(r, "saga.started", unheard)
    run_id = uuid4()
    with pytest.raises(LogUnavailable):
        await r.engine.submit(Toy(), r.by, run_id=run_id)
    row = await r.engine.runner.wait(run_id)
    assert row.state is RunState.SUCCEEDED


async def test_others_may_be_first_while_the_log_is_away(r: Rig, script: Script) -> None:
    """A second try that is refused is not taken for the first one's success."""
    place = await a_domain(r)
    seen = relies_on(script, place)

    async def away(unit: Unit, real: Append) -> Any:
        await rename(r, place, "b")
        raise LogUnavailable("full")

    at(r, "saga.succeeded", away)
    row = await r.run(Toy())
    assert row.state is RunState.SUCCEEDED
    assert seen == ["a", "b"]


async def test_an_undo_that_others_overtook_while_the_log_was_away_is_not_lost(
    r: Rig, script: Script
) -> None:
    place = await a_domain(r)
    script["act"] = always(Refused("no"))
    script["unplan"] = lambda run: run.guard(run.row(domains, place))

    async def away(unit: Unit, real: Append) -> Any:
        if any(one.stream == place for one in unit.appends):
            await rename(r, place, "b")
            raise LogUnavailable("full")
        return await real(unit)

    at(r, "saga.step_undone", away, times=2)
    row = await r.run(Toy())
    assert (row.state, row.undone) == (RunState.FAILED, ["act", "plan", "begin"])
    assert CALLS.count("unplan") == 2


async def a_domain(r: Rig) -> UUID:
    """Something that others may rename."""
    place = uuid4()
    made = {"name": "a", "path": "/a", "level": 0}
    await r.engine.decide(CreateRecord(kind="domain", id=place, fields=made), r.by)
    return place


async def rename(r: Rig, place: UUID, name: str) -> None:
    await r.engine.decide(UpdateRecord(kind="domain", id=place, fields={"name": name}), r.by)


def relies_on(script: Script, place: UUID) -> list[str]:
    """Let the last step guard the domain; the names that it has seen."""
    seen: list[str] = []

    def look(run: Any) -> None:
        row = run.row(domains, place)
        seen.append(row.name)
        run.guard(row)

    script["finish"] = look
    return seen


# ---- others were first ---------------------------------------------------------------------


async def test_a_step_whose_rows_others_change_is_decided_again(r: Rig, script: Script) -> None:
    """Three times somebody renames what the step relies on, while its commit is on its way."""
    place = await a_domain(r)
    seen = relies_on(script, place)

    async def rename_first(unit: Unit, real: Append) -> Any:
        await rename(r, place, f"{seen[-1]}a")
        return await real(unit)

    at(r, "saga.succeeded", rename_first, times=3)
    row = await r.run(Toy())
    assert row.state is RunState.SUCCEEDED
    assert seen == ["a", "aa", "aaa", "aaaa"]
    assert CALLS.count("act") == 1


async def test_one_that_never_comes_first_is_undone(r: Rig, script: Script) -> None:
    async def never(unit: Unit, real: Append) -> Any:
        raise Conflict("somebody else")

    at(r, "saga.succeeded", never, times=CONFLICTS_MAX)
    row = await r.run(Toy())
    assert (row.state, row.error) == (RunState.FAILED, "Conflict")
    assert nothing_left(r)


# ---- restarts ------------------------------------------------------------------------------


async def test_what_was_forward_goes_on_forward(tmp_path: Path, script: Script) -> None:
    script["act"] = hang
    async with rig(tmp_path, new_sim()) as r:
        job = await r.engine.submit(Toy(), r.by)
        await until(lambda: "act" in CALLS)
    script["act"] = lambda run: {}
    async with rig(tmp_path, new_sim()) as r:
        assert (await r.engine.runner.wait(job.id)).state is RunState.SUCCEEDED
    assert CALLS == ["begin", "plan", "act", "act", "finish"]


async def test_what_was_being_undone_is_undone(tmp_path: Path, script: Script) -> None:
    script["act"], script["unact"] = always(Refused("no")), hang
    async with rig(tmp_path, new_sim()) as r:
        job = await r.engine.submit(Toy(), r.by)
        await until(lambda: "unact" in CALLS)
    script["unact"] = lambda run: None
    async with rig(tmp_path, new_sim()) as r:
        row = await r.engine.runner.wait(job.id)
        assert (row.state, row.error) == (RunState.FAILED, "Refused")
        assert nothing_left(r)
    assert CALLS.count("act") == 1


async def test_what_was_cancelled_is_cancelled(tmp_path: Path, script: Script) -> None:
    script["act"] = hang
    with pytest.raises(BaseExceptionGroup) as died:
        async with rig(tmp_path, new_sim()) as r:
            job = await r.engine.submit(Toy(), r.by)
            await until(lambda: "act" in CALLS)
            r.log.die_at = r.log.commits + 1
            by_cancel = r.cloud[saga_runs][job.id].cancel()
            draft_append(r, job.id, by_cancel)
            await asyncio.sleep(1)
    assert died.group_contains(Crash)
    async with rig(tmp_path, new_sim()) as r:
        row = await r.engine.runner.wait(job.id)
        assert (row.state, row.error) == (RunState.FAILED, "Cancelled")
        assert CALLS.count("act") == 1, "it is not begun again only to be undone"


def draft_append(r: Rig, run_id: UUID, event: Any) -> None:
    """Commit behind the engine's back: the next commit of its own is its death."""
    version = r.cloud[saga_runs][run_id].version
    r.log._log.submit(Unit((LogAppend(run_id, version, (event,)),)))


async def test_what_was_parked_stays_parked_until_it_is_mended(
    tmp_path: Path, script: Script
) -> None:
    script["walk"] = always(Refused("no"))
    async with rig(tmp_path, new_sim()) as r:
        row = await r.run(Onward())
        assert row.state is RunState.PARKED
    async with rig(tmp_path, new_sim()) as r:
        await asyncio.sleep(0.05)
        assert r.cloud[saga_runs][row.id].state is RunState.PARKED
        assert CALLS.count("walk") == 1
        script["walk"] = lambda run: None
        await r.engine.decide(MendJob(job_id=row.id, way="retry"), r.by)
        assert (await r.engine.runner.wait(row.id)).state is RunState.SUCCEEDED


# ---- what is kept --------------------------------------------------------------------------


async def test_a_checkpoint_forgets_finished_runs_in_the_same_order(
    r: Rig, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that began first and ended last is the last to be forgotten, before and after."""
    monkeypatch.setattr(saga_projection, "KEPT_FINISHED", 3)
    gate = asyncio.Event()

    async def wait(run: Any) -> None:
        await gate.wait()

    script["walk"] = wait
    first = await r.engine.submit(Onward(), r.by)
    others = [await r.run(Toy()) for _ in range(3)]
    gate.set()
    await r.engine.runner.wait(first.id)
    restored = Cloud.load(r.cloud.save())
    assert restored.digest() == r.cloud.digest()
    for _ in range(2):
        position = r.cloud.position
        await r.run(Toy())
        async for batch in r.log.read(position):
            restored.fold(batch)
        assert restored.digest() == r.cloud.digest()
    assert first.id in r.cloud[saga_runs]
    assert not any(row.id in r.cloud[saga_runs] for row in others)
    assert (await r.engine.job(others[0].id)).state is RunState.SUCCEEDED, "the log has it"


async def test_an_end_that_is_said_twice_changes_no_order(r: Rig) -> None:
    """Two controllers, or a run mended by hand: the first end is what counts."""
    one, _ = await r.run(Toy()), await r.run(Toy())
    before = one.finished_position
    await r.log.append(Unit((LogAppend(one.id, one.version, (SagaSucceeded(),)),)))
    assert one.finished_position == before
