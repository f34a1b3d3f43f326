"""A run whose place does not answer goes back to the step that chose it, and chooses another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aggregates.errors import NotAllowed
from aggregates.saga import RunState, SagaRun
from drivers.contract.errors import Refused, Unavailable, Unknown
from engine.intents.saga import CancelJob
from engine.saga import Run
from tests.engine.acting import Script, always, hang, mend, nothing_left, until
from tests.engine.toys import CALLS, Choosy, choose
from tests.sagas.rig import Rig, new_sim, rig


def lost(*places: str, error: type[Exception] = Unavailable) -> Callable[..., None]:
    """Nothing can be done in these."""

    def do(run: Any) -> None:
        if run.outputs["choose"] in places:
            raise error(f"{run.outputs['choose']} is out of reach")

    return do


def ended(r: Rig, row: SagaRun, state: RunState = RunState.SUCCEEDED) -> None:
    assert row.state is state, row.error_text
    assert nothing_left(r)


async def test_another_place_is_chosen(r: Rig, script: Script) -> None:
    script["furnish"] = lost("a")
    row = await r.run(Choosy())
    ended(r, row)
    assert row.outputs["choose"] == "b"
    assert CALLS == [
        *("choose", "furnish", "furnish", "unfurnish", "unchoose"),
        *("choose", "furnish", "move_in"),
    ]
    assert not (row.error or row.error_text or row.failed_step)


async def test_what_is_done_anew_has_keys_of_its_own(r: Rig, script: Script) -> None:
    keys = dict[str, list[tuple[str, str]]]()

    def noted(do: Callable[..., None]) -> Callable[..., None]:
        def noting(run: Any) -> None:
            keys.setdefault(run.outputs["choose"], []).append((run.step, str(run.key)))
            do(run)

        return noting

    for name in ("furnish", "move_in", "unfurnish", "move_out"):
        script[name] = noted(lost("a", error=Unknown) if name == "move_in" else lambda run: None)
    row = await r.run(Choosy())
    ended(r, row)
    first, second = (dict(keys[place]) for place in "ab")
    assert first.keys() == second.keys() == {"furnish", "move_in"}
    assert not set(first.values()) & set(second.values())
    assert row.outputs["furnish"] == second["furnish"]
    # An undo has the key of what it undoes.
    assert len(set(keys["a"])) == 2 and len(keys["a"]) == 5


async def test_the_place_is_left_only_when_nothing_can_be_there(r: Rig, script: Script) -> None:
    script["move_in"] = lost("a")
    script["move_out"] = always(Refused("it is not known what is there"))
    row = await r.run(Choosy())
    assert row.state is RunState.PARKED and row.failed_step == "move_in"
    assert CALLS.count("choose") == 1
    del script["move_out"]
    ended(r, await mend(r, row.id, "retry"))


async def test_so_many_places_are_tried_and_all_are_told(r: Rig, script: Script) -> None:
    script["furnish"] = lost("a", "b", "c", "d")
    row = await r.run(Choosy())
    ended(r, row, RunState.FAILED)
    assert [one.output for one in row.tried] == ["a", "b"]
    places = "c is out of reach; before that: a is out of reach; before that: b is out of reach"
    assert (row.error, row.error_text) == ("Unavailable", places)
    assert CALLS.count("choose") == CALLS.count("unchoose") == 3


async def test_where_there_is_no_other_place_the_first_is_blamed(r: Rig, script: Script) -> None:
    def choose(run: Any) -> None:
        if run.tried:
            raise NotAllowed("all others are full")

    script["furnish"], script["choose"] = lost("a"), choose
    row = await r.run(Choosy())
    ended(r, row, RunState.FAILED)
    told = "a is out of reach; and no other place: all others are full"
    assert (row.error, row.error_text) == ("Unavailable", told)


async def test_a_place_that_is_known_to_be_lost_is_tried_no_more(r: Rig, script: Script) -> None:
    script["furnish"] = lost("a")
    script["is_gone"] = lambda run: run[choose] == "a"
    row = await r.run(Choosy())
    ended(r, row)
    assert CALLS == [
        *("choose", "furnish", "unfurnish", "unchoose"),
        *("choose", "furnish", "move_in"),
    ]


async def test_nor_is_one_that_was_lost_while_the_next_attempt_was_waited_for(
    r: Rig, script: Script
) -> None:
    asked = list[bool]()

    def is_gone(run: Run[Choosy]) -> bool:
        asked.append(run[choose] == "a" and bool(asked))
        return asked[-1]

    script["furnish"], script["is_gone"] = lost("a"), is_gone
    ended(r, await r.run(Choosy()))
    assert asked == [False, True]
    assert CALLS.count("furnish") == 2


async def test_a_refusal_is_the_same_everywhere(r: Rig, script: Script) -> None:
    script["furnish"] = always(Refused("no such image"))
    row = await r.run(Choosy())
    ended(r, row, RunState.FAILED)
    assert CALLS.count("choose") == 1 and row.error_text == "no such image"


async def test_a_cancelled_run_chooses_no_more(r: Rig, script: Script) -> None:
    script["furnish"] = lambda run: hang(run) if run.outputs["choose"] == "b" else lost("a")(run)
    job = await r.engine.submit(Choosy(), r.by)
    await until(lambda: CALLS.count("choose") == 2)
    await r.engine.decide(CancelJob(job_id=job.id), r.by)
    row = await r.engine.runner.wait(job.id)
    ended(r, row, RunState.FAILED)
    assert row.error == "Cancelled" and CALLS.count("choose") == 2


@pytest.mark.parametrize("at", ["furnish", "unfurnish"])
async def test_a_crash_on_the_way_changes_nothing(tmp_path: Path, script: Script, at: str) -> None:
    """While the first place is being left, or the second one is tried."""
    script["furnish"] = lost("a")

    def stuck(run: Any) -> Any:
        return hang(run) if at == "unfurnish" or run.outputs["choose"] == "b" else lost("a")(run)

    script[at] = stuck
    async with rig(tmp_path, new_sim()) as r:
        job = await r.engine.submit(Choosy(), r.by)
        await until(lambda: CALLS.count("choose") == 2 if at == "furnish" else at in CALLS)
        await asyncio.sleep(0.05)
    script[at] = lost("a") if at == "furnish" else lambda run: None
    async with rig(tmp_path, new_sim()) as r:
        row = await r.engine.runner.wait(job.id)
        ended(r, row)
        assert [one.output for one in row.tried] == ["a"] and row.outputs["choose"] == "b"


@pytest.mark.parametrize(
    ("way", "state"), [("retry", RunState.SUCCEEDED), ("undo", RunState.FAILED)]
)
async def test_one_that_cannot_leave_is_parked_and_goes_where_people_say(
    r: Rig, script: Script, way: str, state: RunState
) -> None:
    script["furnish"], script["unfurnish"] = lost("a"), always(Refused("it holds on"))
    row = await r.run(Choosy())
    assert row.state is RunState.PARKED and row.failed_step == "furnish"
    del script["unfurnish"]
    ended(r, await mend(r, row.id, way), state)
