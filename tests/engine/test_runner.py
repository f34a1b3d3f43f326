"""The saga kernel alone, over toys: order, failure, patience, cancelling, parking, mending."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from aggregates.errors import AlreadyExists, NotAllowed
from aggregates.saga import RunState
from drivers.contract.errors import Refused, Unavailable, Unknown
from engine.engine import JobFailed
from engine.intents.saga import CancelJob, MendJob
from engine.log import LogUnavailable, Unit
from projections.finding import findings
from projections.saga import saga_runs
from tests.engine.toys import CALLS, Fan, Onward, Parent, Parts, Toy, toy
from tests.sagas.rig import Rig, new_sim, rig

Script = dict[str, Callable[..., Any]]


@pytest.fixture
async def r(tmp_path: Path, script: Script) -> AsyncIterator[Rig]:
    async with rig(tmp_path, new_sim()) as made:
        yield made
        assert (await made.history.rebuild()).digest() == made.cloud.digest()


def failing(*errors: Exception) -> Callable[..., Any]:
    """Raises these, one a call, and then succeeds."""
    left = list(errors)

    def do(run: Any) -> None:
        if left:
            raise left.pop(0)

    return do


def always(error: Exception) -> Callable[..., Any]:
    def do(run: Any) -> None:
        raise error

    return do


async def hang(run: Any) -> None:
    await asyncio.sleep(30)


async def mend(r: Rig, run_id: UUID, way: str) -> Any:
    await r.engine.decide(MendJob(job_id=run_id, way=way), r.by)
    async with asyncio.timeout(5):
        return await r.engine.runner.wait(run_id)


async def until(met: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not met():  # noqa: ASYNC110 - what is met is no event
            await asyncio.sleep(0)


def nothing_left(r: Rig) -> bool:
    return not list(r.cloud[findings])


# ---- order and outputs ---------------------------------------------------------------------


async def test_steps_run_in_order_and_each_once(r: Rig) -> None:
    row = await r.run(Toy())
    assert row.state is RunState.SUCCEEDED
    assert CALLS == ["begin", "plan", "act", "finish"]


async def test_an_output_reads_the_same_before_a_crash_and_after(
    tmp_path: Path, script: Script
) -> None:
    one, two = uuid4(), uuid4()
    parts = Parts(sizes={one: 3}, ranks={7: "seven"}, pair=(one, two))
    seen: list[Parts | None] = []
    script["plan"] = lambda run: parts
    script["finish"] = lambda run: seen.append(run[plan_of()])
    script["act"] = always(Unavailable("parked by a crash"))
    async with rig(tmp_path, new_sim()) as r:
        script["act"] = hang
        job = await r.engine.submit(Toy(), r.by)
        await until(lambda: "act" in CALLS)
    script["act"] = lambda run: {one: "made"}
    async with rig(tmp_path, new_sim()) as r:
        row = await r.engine.runner.wait(job.id)
        assert row.state is RunState.SUCCEEDED, row.error_text
        await r.run(Toy())
    assert seen == [parts, parts]


def plan_of() -> Any:
    return next(step for step in toy.steps if step.name == "plan")


# ---- side by side --------------------------------------------------------------------------


async def test_steps_after_the_same_one_run_side_by_side(r: Rig, script: Script) -> None:
    met = asyncio.Barrier(2)

    async def meet(run: Any) -> None:
        async with asyncio.timeout(2):
            await met.wait()

    script["left"] = script["right"] = meet
    row = await r.run(Fan())
    assert (row.state, row.outputs["join"]) == (RunState.SUCCEEDED, "leftright")


async def test_one_that_fails_in_a_wave_undoes_both(r: Rig, script: Script) -> None:
    script["left"] = always(Refused("no"))
    row = await r.run(Fan())
    assert (row.state, row.error, row.failed_step) == (RunState.FAILED, "Refused", "left")
    assert sorted(CALLS) == ["left", "right", "unleft", "unright"]
    assert nothing_left(r)


async def test_cancelling_cuts_every_step_of_a_wave_short(r: Rig, script: Script) -> None:
    script["left"] = script["right"] = hang
    job = await r.engine.submit(Fan(), r.by)
    await until(lambda: len(CALLS) == 2)
    await r.engine.decide(CancelJob(job_id=job.id), r.by)
    async with asyncio.timeout(2):
        row = await r.engine.runner.wait(job.id)
    assert (row.state, row.error) == (RunState.FAILED, "Cancelled")
    assert sorted(CALLS) == ["left", "right", "unleft", "unright"]


# ---- patience ------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [Unavailable("x"), Unknown("x"), TimeoutError()])
async def test_what_may_pass_is_tried_again(r: Rig, script: Script, error: Exception) -> None:
    script["act"] = failing(error)
    row = await r.run(Toy())
    assert row.state is RunState.SUCCEEDED
    assert CALLS.count("act") == 2


@pytest.mark.parametrize("error", [Refused("x"), NotAllowed("x"), KeyError("x")])
async def test_a_last_word_is_not(r: Rig, script: Script, error: Exception) -> None:
    script["act"] = failing(error)
    row = await r.run(Toy())
    assert row.state is RunState.FAILED
    assert CALLS == ["begin", "plan", "act", "unact", "unplan", "end"]
    assert nothing_left(r)


async def test_patience_ends(r: Rig, script: Script) -> None:
    script["act"] = always(Unavailable("still away"))
    row = await r.run(Toy())
    assert (row.state, row.error, row.error_text) == (
        RunState.FAILED,
        "Unavailable",
        "still away",
    )
    assert CALLS.count("act") == 2


async def test_of_errors_side_by_side_the_last_word_counts(r: Rig, script: Script) -> None:
    script["act"] = always(ExceptionGroup("two", [Unavailable("later"), Refused("never")]))
    row = await r.run(Toy())
    assert (row.state, row.error, row.error_text) == (RunState.FAILED, "Refused", "never")
    script["act"] = failing(ExceptionGroup("two", [Unavailable("later"), Unknown("perhaps")]))
    row = await r.run(Toy())
    assert row.state is RunState.SUCCEEDED


async def test_no_answer_in_time_is_unknown(r: Rig, script: Script) -> None:
    script["act"] = hang
    row = await r.run(Toy())
    assert (row.state, row.error) == (RunState.FAILED, "Unknown")
    assert CALLS == ["begin", "plan", "act", "act", "unact", "unplan", "end"]


async def test_words_that_are_no_text_do_not_strand_a_run(r: Rig, script: Script) -> None:
    script["act"] = always(Refused("disk \udcff"))
    row = await r.run(Toy())
    assert (row.state, row.error_text) == (RunState.FAILED, "disk ?")


# ---- cancelling ----------------------------------------------------------------------------


async def test_cancelling_while_a_step_is_cleaning_up_after_its_time(
    r: Rig, script: Script
) -> None:
    """Its time is up already: being cancelled on top of that must not hurt the log."""
    cleaning, go_on = asyncio.Event(), asyncio.Event()

    async def slow_to_leave(run: Any) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            cleaning.set()
            await go_on.wait()

    script["act"] = slow_to_leave
    job = await r.engine.submit(Toy(), r.by)
    await cleaning.wait()
    await r.engine.decide(CancelJob(job_id=job.id), r.by)
    go_on.set()
    row = await r.engine.runner.wait(job.id)
    assert (row.state, row.error) == (RunState.FAILED, "Cancelled")
    assert CALLS.count("act") == 1
    assert (await r.run(Onward())).state is RunState.SUCCEEDED, "the log takes more"


async def test_cancelling_between_two_tries_begins_no_other(r: Rig, script: Script) -> None:
    async def cancel_and_fail(run: Any) -> None:
        r.engine.runner._scopes.clear()  # Nothing to interrupt: the cancel comes a moment later.
        await r.engine.decide(CancelJob(job_id=run.id), r.by)
        row = r.cloud[saga_runs][run.id]
        assert row.cancelled
        raise Unavailable("later")

    script["act"] = cancel_and_fail
    row = await r.run(Toy())
    assert (row.error, CALLS.count("act")) == ("Cancelled", 1)


async def test_cancelling_during_a_pause_begins_no_other_try(r: Rig, script: Script) -> None:
    script["act"] = always(Unavailable("later"))

    async def pause(seconds: float) -> None:
        for row in r.cloud[saga_runs]:
            if row.attempts and not row.cancelled:
                await r.engine.decide(CancelJob(job_id=row.id), r.by)

    r.engine.runner._clock.sleep = pause  # type: ignore[method-assign]
    row = await r.run(Toy())
    assert (row.error, CALLS.count("act")) == ("Cancelled", 1)


async def test_a_cancel_that_meets_the_last_commit_counts(r: Rig, script: Script) -> None:
    """The decision that would end the run is made again, and sees that it was cancelled."""

    async def act(run: Any) -> None:
        pass

    script["act"] = act
    real, armed = r.log.append, [True]

    async def cancel_first(unit: Unit) -> Any:
        last = any(e.TOPIC == "saga.succeeded" for a in unit.appends for e in a.events)
        if last and armed[0]:
            armed[0] = False
            await r.engine.decide(CancelJob(job_id=unit.saga), r.by)  # type: ignore[arg-type]
        return await real(unit)

    r.log.append = cancel_first  # type: ignore[method-assign]
    row = await r.run(Toy())
    assert (row.state, row.error) == (RunState.FAILED, "Cancelled")
    assert nothing_left(r)


async def test_what_only_goes_forward_is_not_cancelled(r: Rig, script: Script) -> None:
    script["walk"] = hang
    job = await r.engine.submit(Onward(), r.by)
    with pytest.raises(NotAllowed, match="only goes forward"):
        await r.engine.decide(CancelJob(job_id=job.id), r.by)


# ---- parking and mending -------------------------------------------------------------------


async def test_an_undo_that_fails_parks_and_is_tried_again(r: Rig, script: Script) -> None:
    script["act"] = always(Refused("no"))
    script["unact"] = failing(Refused("not now"))
    row = await r.run(Toy())
    assert (row.state, row.failed_step, row.error_text) == (RunState.PARKED, "act", "not now")
    assert not nothing_left(r)
    row = await mend(r, row.id, "retry")
    assert row.state is RunState.FAILED
    assert nothing_left(r)


async def test_an_undo_may_be_skipped(r: Rig, script: Script) -> None:
    script["act"] = script["unact"] = always(Refused("never"))
    row = await r.run(Toy())
    assert row.state is RunState.PARKED
    row = await mend(r, row.id, "skip")
    assert (row.state, row.skipped) == (RunState.FAILED, ["act"])
    assert CALLS[-2:] == ["unplan", "end"]
    assert nothing_left(r)


@pytest.mark.parametrize("step", ["walk", "arrive"])
async def test_forward_only_parks_and_goes_on(r: Rig, script: Script, step: str) -> None:
    script[step] = failing(Refused("no"))
    row = await r.run(Onward())
    assert (row.state, row.failed_step) == (RunState.PARKED, step)
    with pytest.raises(NotAllowed, match="only goes forward"):
        await mend(r, row.id, "undo")
    row = await mend(r, row.id, "retry")
    assert row.state is RunState.SUCCEEDED
    assert nothing_left(r)


async def test_a_forward_step_may_be_skipped(r: Rig, script: Script) -> None:
    script["walk"] = always(Refused("never"))
    row = await r.run(Onward())
    row = await mend(r, row.id, "skip")
    assert (row.state, row.skipped) == (RunState.SUCCEEDED, ["walk"])
    assert nothing_left(r)


async def test_forward_only_parks_at_a_decision_of_the_first_commit(r: Rig, script: Script) -> None:
    """It is not undone: there is no way back to what was before."""
    script["think"] = failing(NotAllowed("not yet"))
    job = await r.engine.submit(Onward(), r.by)
    row = await r.engine.runner.wait(job.id)
    assert (row.state, row.failed_step, row.error) == (RunState.PARKED, "think", "NotAllowed")
    row = await mend(r, row.id, "retry")
    assert row.state is RunState.SUCCEEDED


async def test_only_what_is_parked_is_mended(r: Rig) -> None:
    row = await r.run(Toy())
    with pytest.raises(NotAllowed, match="only a parked job"):
        await mend(r, row.id, "retry")


async def test_a_run_that_the_engine_cannot_read_parks_and_is_undone(
    r: Rig, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of the engine itself, not of a step."""
    real = r.engine.runner._wave

    async def broken(*_: Any) -> Any:
        raise RuntimeError("engine")

    monkeypatch.setattr(r.engine.runner, "_wave", broken)
    row = await r.run(Toy())
    assert (row.state, row.error) == (RunState.PARKED, "Bug")
    monkeypatch.setattr(r.engine.runner, "_wave", real)
    row = await mend(r, row.id, "undo")
    assert row.state is RunState.FAILED
    assert nothing_left(r)


# ---- bugs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["plan", "act", "finish"])
async def test_a_bug_has_an_incident_and_harms_nobody_else(
    r: Rig, script: Script, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    script[step] = always(ZeroDivisionError("secret detail"))
    with caplog.at_level(logging.ERROR, "sagastack.saga"):
        row = await r.run(Toy())
    assert (row.state, row.error) == (RunState.FAILED, "Bug")
    incident = row.error_text.partition("(incident ")[2].rstrip(")")
    assert UUID(incident) and incident in caplog.text and "secret detail" in caplog.text
    assert "secret detail" not in row.error_text
    assert nothing_left(r)
    script.clear()
    assert (await r.run(Toy())).state is RunState.SUCCEEDED


@pytest.mark.parametrize("step", ["unplan", "unact"])
async def test_a_bug_in_an_undo_parks(r: Rig, script: Script, step: str) -> None:
    script["act"] = always(Refused("no"))
    script[step] = failing(ZeroDivisionError())
    row = await r.run(Toy())
    assert (row.state, row.error) == (RunState.PARKED, "Bug")
    row = await mend(r, row.id, "retry")
    assert row.state is RunState.FAILED
    assert nothing_left(r)


async def test_a_refusal_of_the_first_step_is_the_callers(r: Rig, script: Script) -> None:
    script["begin"] = always(NotAllowed("no"))
    before = r.cloud.position
    with pytest.raises(NotAllowed):
        await r.engine.submit(Toy(), r.by)
    assert r.cloud.position == before
    assert not r.engine.runner._intents, "what was refused is not kept"
    with pytest.raises(NotAllowed):
        await r.engine.plan(Toy(), r.by)
    assert not r.engine.runner._intents


async def test_a_plan_does_nothing_and_keeps_nothing(r: Rig, script: Script) -> None:
    before = r.cloud.position
    topics = await r.engine.plan(Toy(), r.by)
    assert topics == ["saga.started", "saga.steps_succeeded", "finding.opened"]
    script["plan"] = always(NotAllowed("no"))
    with pytest.raises(JobFailed, match="no"):
        await r.engine.plan(Toy(), r.by)
    assert r.cloud.position == before
    assert not r.engine.runner._intents


# ---- who asks ------------------------------------------------------------------------------


async def test_many_with_one_key_at_once_are_one_job(r: Rig) -> None:
    by = replace(r.by, account_id=uuid4(), idempotency_key="k")
    jobs = await asyncio.gather(*(r.engine.submit(Toy(), by) for _ in range(10)))
    assert len({job.id for job in jobs}) == 1
    await r.engine.runner.wait(jobs[0].id)
    assert await r.engine.submit(Toy(), by) == jobs[0]
    assert CALLS.count("act") == 1
    other = replace(by, account_id=uuid4())
    another = await r.engine.submit(Toy(), other)
    assert another.id != jobs[0].id
    await r.engine.runner.wait(another.id)


async def test_many_with_one_job_id_at_once_are_one_job(r: Rig) -> None:
    by, run_id = replace(r.by, account_id=uuid4()), uuid4()
    jobs = await asyncio.gather(*(r.engine.submit(Toy(), by, run_id=run_id) for _ in range(10)))
    assert {job.id for job in jobs} == {run_id}
    await r.engine.runner.wait(run_id)
    assert CALLS.count("act") == 1


async def test_a_job_id_of_another_account_is_refused(r: Rig) -> None:
    run_id = uuid4()
    await r.engine.submit(Toy(), replace(r.by, account_id=uuid4()), run_id=run_id)
    await r.engine.runner.wait(run_id)
    with pytest.raises(AlreadyExists, match="another account"):
        await r.engine.submit(Toy(), replace(r.by, account_id=uuid4()), run_id=run_id)


async def test_a_job_goes_on_though_its_caller_went_away(r: Rig) -> None:
    """The unit is on its way to the disk when the wait for it is cancelled."""
    run_id = uuid4()
    asking = asyncio.ensure_future(r.engine.submit(Toy(), r.by, run_id=run_id))
    await until(lambda: r.log.commits)
    asking.cancel()
    await asyncio.wait([asking])
    await until(lambda: run_id in r.cloud[saga_runs])
    row = await r.engine.runner.wait(run_id)
    assert row.state is RunState.SUCCEEDED


# ---- children ------------------------------------------------------------------------------


async def test_children_are_found_again_by_a_retry(r: Rig, script: Script) -> None:
    script["bear"] = lambda run: None
    real = r.engine.outcome
    failed: list[UUID] = []

    async def outcome(run_id: UUID) -> str:
        said = await real(run_id)
        if not failed:
            failed.append(run_id)
            raise Unavailable("not heard")
        return said

    r.engine.outcome = outcome  # type: ignore[method-assign]
    row = await r.run(Parent())
    assert (row.state, row.outputs["raise_children"]) == (RunState.SUCCEEDED, ["", ""])
    assert CALLS.count("act") == 2, "each child once"


async def test_a_child_that_fails_says_why(r: Rig, script: Script) -> None:
    script["act"] = always(Refused("spoiled"))
    row = await r.run(Parent(children=1))
    assert row.outputs["raise_children"] == ["spoiled"]


async def test_a_parent_waits_for_a_log_that_takes_no_children(r: Rig, script: Script) -> None:
    full = [True]

    async def child_begins(unit: Unit) -> Any:
        is_child = any(getattr(e, "intent", {}).get("name") for a in unit.appends for e in a.events)
        if is_child and full[0]:
            full[0] = False
            raise LogUnavailable("full")
        return await real(unit)

    real = r.log.append
    r.log.append = child_begins  # type: ignore[method-assign]
    row = await r.run(Parent())
    assert (row.state, row.error_text) == (RunState.SUCCEEDED, "")
