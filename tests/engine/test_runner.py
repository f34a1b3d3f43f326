"""The saga kernel alone, over toys: order, failure, patience, cancelling, parking, mending."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from aggregates.errors import AlreadyExists, NotAllowed
from aggregates.saga import RunState
from drivers.contract.errors import Refused, Unavailable, Unknown
from engine.intents.saga import CancelJob
from engine.log import LogUnavailable, Unit
from engine.vault import VaultUnavailable
from projections.saga import saga_runs
from tests.engine.acting import Script, always, failing, hang, nothing_left, until
from tests.engine.toys import CALLS, Fan, Parent, Parts, Toy, toy
from tests.sagas.rig import Rig, new_sim, rig

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
        async with asyncio.timeout(60):
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
    async with asyncio.timeout(60):
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


LACKS = (
    OSError(errno.ENOSPC, "No space left on device", "/srv/cloud/downloads/x"),
    OSError(errno.EMFILE, "Too many open files"),
    VaultUnavailable("nothing was changed, ask again later: the vault: database or disk is full"),
)


@pytest.mark.parametrize("lack", LACKS)
async def test_what_the_controllers_machine_lacks_is_waited_for(
    r: Rig, script: Script, lack: Exception
) -> None:
    """Forward, and on the way back: an undo that was refused a descriptor parks no job."""
    script["act"] = failing(lack)
    row = await r.run(Toy())
    assert (row.state, CALLS.count("act")) == (RunState.SUCCEEDED, 2), row.error_text
    CALLS.clear()
    script["act"], script["unact"] = always(Refused("no")), failing(lack, lack)
    row = await r.run(Toy())
    assert (row.state, CALLS.count("unact")) == (RunState.FAILED, 3), row.error_text
    script["act"], script["unact"] = always(lack), failing()
    row = await r.run(Toy())
    assert (row.state, row.error) == (RunState.FAILED, "Unavailable")
    assert str(lack) in row.error_text


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


async def test_a_run_is_told_no_further_than_is_folded(r: Rig) -> None:
    """A controller that lags behind the store says `under way`: what was made is not here yet."""
    row = await r.run(Toy())
    runs, table = r.cloud[saga_runs], dict(r.cloud[saga_runs].rows)
    del runs.rows[row.id.int]
    assert (await r.engine.job(row.id)).state is RunState.SUCCEEDED, "forgotten, and read again"
    folded, begun = r.cloud.position, (await r.log.read_stream(row.id))[0].position
    for behind in (begun, begun - 1):
        r.cloud.position = behind
        assert (await r.engine.job(row.id)).state is RunState.RUNNING
    r.cloud.position, runs.rows = folded, table


async def test_a_step_that_may_take_longer_is_waited_for(r: Rig, script: Script) -> None:
    """It asks once it knows why; what it asks for beyond that changes nothing."""

    async def boots(run: Any) -> None:
        run.may_take(60.0)
        run.may_take(0.1)
        await asyncio.sleep(0.4)

    script["act"] = boots
    row = await r.run(Toy())
    assert (row.state, CALLS.count("act")) == (RunState.SUCCEEDED, 1)


async def test_a_step_that_may_take_longer_is_cancelled_as_any(r: Rig, script: Script) -> None:
    async def boots(run: Any) -> None:
        run.may_take(3600.0)
        try:
            await hang(run)
        finally:
            run.may_take(3600.0)  # Too late.

    script["act"] = boots
    job = await r.engine.submit(Toy(), r.by)
    await until(lambda: "act" in CALLS)
    await r.engine.decide(CancelJob(job_id=job.id), r.by)
    async with asyncio.timeout(60):
        row = await r.engine.runner.wait(job.id)
    assert (row.state, row.error, CALLS.count("act")) == (RunState.FAILED, "Cancelled", 1)
