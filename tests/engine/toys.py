"""Sagas that do nothing but what a test tells them to: the kernel under test and no noun beside.

Each step looks up its name in `SCRIPT` and does what stands there; what was called is in `CALLS`.
A run's traces in the log are findings, the one noun that refers to nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from aggregates.finding import FindingKind, FindingMended, FindingOpened
from engine.intents import By
from engine.retry import Patience
from engine.saga import BY_INTENT, SAGAS, Run, Saga
from projections.finding import findings

SCRIPT: dict[str, Callable[[Run[Any]], Any]] = {}
CALLS: list[str] = []
TWICE = Patience(attempts=2, first_s=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toy:
    """`name` is the subject of what it leaves in the log."""

    name: str = "toy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Onward:
    name: str = "onward"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    name: str = "fan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choosy:
    name: str = "choosy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    children: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """An output with all that JSON has no word for."""

    sizes: dict[UUID, int]
    ranks: dict[int, str]
    pair: tuple[UUID, UUID]


async def did(run: Run[Any], name: str) -> Any:
    CALLS.append(name)
    done = SCRIPT[name](run) if name in SCRIPT else None
    return await done if isinstance(done, Awaitable) else done


def decided(run: Run[Any], name: str) -> Any:
    CALLS.append(name)
    return SCRIPT[name](run) if name in SCRIPT else None


def mark(run: Run[Any], name: str) -> None:
    """Leave a trace in the log."""
    opened = FindingOpened(
        finding=FindingKind.STRANGER_GUEST, place_id=run.id, subject=name, text=""
    )
    run.create(uuid5(run.id, name), opened)


def unmark(run: Run[Any], name: str) -> None:
    run.change(run.row(findings, uuid5(run.id, name)), FindingMended(how="undone"))


toy = Saga("toy:1", Toy, "finding", lambda ask: None)


@toy.step
def begin(run: Run[Toy]) -> None:
    decided(run, "begin")
    mark(run, "begun")


@begin.undo
def end(run: Run[Toy]) -> None:
    decided(run, "end")
    unmark(run, "begun")


@toy.step
def plan(run: Run[Toy]) -> Parts | None:
    parts: Parts | None = decided(run, "plan")
    return parts


@plan.undo
def unplan(run: Run[Toy]) -> None:
    decided(run, "unplan")


@toy.step(patience=TWICE, timeout_s=0.2)
async def act(run: Run[Toy]) -> dict[UUID, str]:
    return await did(run, "act") or {}


@act.undo
async def unact(run: Run[Toy]) -> None:
    await did(run, "unact")


@toy.step(no_undo="the last step")
def finish(run: Run[Toy]) -> None:
    decided(run, "finish")


onward = Saga("toy.onward:1", Onward, "finding", lambda ask: None, forward_only=True)


@onward.step
def set_out(run: Run[Onward]) -> None:
    mark(run, "begun")


@onward.step
def think(run: Run[Onward]) -> None:
    decided(run, "think")


@onward.step
async def walk(run: Run[Onward]) -> None:
    await did(run, "walk")


@onward.step
def arrive(run: Run[Onward]) -> None:
    decided(run, "arrive")
    unmark(run, "begun")


fan = Saga("toy.fan:1", Fan, "finding", lambda ask: None)


@fan.step
def spread(run: Run[Fan]) -> None:
    mark(run, "begun")


@spread.undo
def gather(run: Run[Fan]) -> None:
    unmark(run, "begun")


@fan.step(after=(spread,), patience=TWICE, timeout_s=5)
async def left(run: Run[Fan]) -> str:
    return await did(run, "left") or "left"


@left.undo
async def unleft(run: Run[Fan]) -> None:
    await did(run, "unleft")


@fan.step(after=(spread,), patience=TWICE, timeout_s=5)
async def right(run: Run[Fan]) -> str:
    return await did(run, "right") or "right"


@right.undo
async def unright(run: Run[Fan]) -> None:
    await did(run, "unright")


@fan.step(after=(left, right), no_undo="the last step")
def join(run: Run[Fan]) -> str:
    return run[left] + run[right]


choosy = Saga("toy.choosy:1", Choosy, "finding", lambda ask: None)


@choosy.step
def wish(run: Run[Choosy]) -> None:
    mark(run, "begun")


@wish.undo
def unwish(run: Run[Choosy]) -> None:
    decided(run, "unwish")
    unmark(run, "begun")


@choosy.step(choices=3)
def choose(run: Run[Choosy]) -> str:
    """The first place that was not tried."""
    taken: str | None = decided(run, "choose")
    mark(run, f"held under {run.key}")
    return taken or next(place for place in "abcd" if place not in run.chosen(choose))


@choose.undo
def unchoose(run: Run[Choosy]) -> None:
    decided(run, "unchoose")
    unmark(run, f"held under {run.key}")


def is_gone(run: Run[Choosy]) -> bool:
    return bool(SCRIPT["is_gone"](run)) if "is_gone" in SCRIPT else False


@choosy.step(patience=TWICE, hopeless=is_gone)
async def furnish(run: Run[Choosy]) -> str:
    await did(run, "furnish")
    return str(run.key)


@furnish.undo
async def unfurnish(run: Run[Choosy]) -> None:
    await did(run, "unfurnish")


@choosy.step(patience=TWICE)
async def move_in(run: Run[Choosy]) -> str:
    await did(run, "move_in")
    return str(run.key)


@move_in.undo
async def move_out(run: Run[Choosy]) -> None:
    await did(run, "move_out")


@choosy.step(no_undo="the last step")
def settle(run: Run[Choosy]) -> None:
    unmark(run, f"held under {run.key_of(choose)}")
    unmark(run, "begun")


parent = Saga("toy.parent:1", Parent, "finding", lambda ask: None)


@parent.step(no_undo="it only begins")
def bear(run: Run[Parent]) -> None:
    decided(run, "bear")


@parent.step(patience=TWICE, no_undo="children are grown up")
async def raise_children(run: Run[Parent]) -> list[str]:
    """Each under an id of its own that a retry finds again."""

    async def one(number: int) -> str:
        child = uuid5(run.key, str(number))
        by = By(account_id=run.account_id)
        job = await run.world.children.submit(Toy(name=f"child {number}"), by, run_id=child)
        return await run.world.children.outcome(job.id)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(run.intent.children)]
    return [task.result() for task in tasks]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    name: str = "turn"


turn = Saga("toy.turn:1", Turn, "finding", lambda ask: None)


@turn.step
def approach(run: Run[Turn]) -> None:
    mark(run, "begun")


@approach.undo
def retreat(run: Run[Turn]) -> None:
    unmark(run, "begun")


@turn.step(pivot=True, no_undo="a pivot")
async def grow(run: Run[Turn]) -> None:
    await did(run, "grow")


@turn.step(no_undo="behind the pivot")
def grown(run: Run[Turn]) -> None:
    decided(run, "grown")
    unmark(run, "begun")


# Known to the engine only while a test wants them: every other saga has an example of its own.
TOYS: tuple[Saga[Any], ...] = (toy, onward, fan, choosy, parent, turn)
for _one in TOYS:
    del SAGAS[_one.name], BY_INTENT[_one.intent]
