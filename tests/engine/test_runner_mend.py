"""The saga kernel when it is stopped: cancelled at any moment, parked, mended, struck by a bug."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import UUID

import pytest

from aggregates.errors import NotAllowed
from aggregates.saga import RunState
from drivers.contract.errors import Refused, Unavailable, Unknown
from engine.engine import JobFailed
from engine.intents.saga import CancelJob
from engine.log import Unit
from projections.saga import saga_runs
from tests.engine.acting import Script, always, failing, hang, mend, nothing_left
from tests.engine.toys import CALLS, Onward, Toy, Turn
from tests.sagas.rig import Rig

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
    assert topics == ["saga.started", "finding.opened"]
    script["plan"] = always(NotAllowed("no"))
    with pytest.raises(JobFailed, match="no"):
        await r.engine.plan(Toy(), r.by)
    assert r.cloud.position == before
    assert not r.engine.runner._intents


# ---- a pivot -------------------------------------------------------------------------------


async def test_before_its_pivot_a_run_goes_back(r: Rig, script: Script) -> None:
    script["grow"] = always(Refused("too large"))
    row = await r.run(Turn())
    assert (row.state, row.error) == (RunState.FAILED, "Refused")
    assert nothing_left(r)


async def test_behind_its_pivot_a_run_goes_forward(r: Rig, script: Script) -> None:
    script["grown"] = failing(NotAllowed("not yet"))
    row = await r.run(Turn())
    assert (row.state, row.failed_step) == (RunState.PARKED, "grown")
    with pytest.raises(NotAllowed, match="only goes forward"):
        await mend(r, row.id, "undo")
    row = await mend(r, row.id, "retry")
    assert row.state is RunState.SUCCEEDED


async def test_a_pivot_that_may_have_happened_is_not_taken_back(r: Rig, script: Script) -> None:
    """Parked in doubt; that the host is away later says nothing of what it did before."""
    script["grow"] = failing(*[Unavailable("away")] * 7, Unknown("perhaps"))
    row = await r.run(Turn())
    assert (row.state, row.error) == (RunState.PARKED, "Unknown")
    script["grow"] = always(Unavailable("away"))
    row = await mend(r, row.id, "retry")
    assert (row.state, row.error) == (RunState.PARKED, "Unavailable")
    row = await mend(r, row.id, "undo")
    assert row.state is RunState.FAILED, "a person who looked may say that it did not"
    assert nothing_left(r)
