"""Every saga, every step: repeating it changes nothing, failing at it leaves nothing behind, and a
crash at any commit is carried on from. A saga is tested by being registered."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from aggregates.errors import NotAllowed
from aggregates.saga import RunState
from drivers.contract.errors import Refused, Unavailable, Unknown
from engine.intents.saga import CancelJob, MendJob
from engine.saga import SAGAS, Saga, Step
from tests.sagas.examples import EXAMPLES
from tests.sagas.judge import judge, picture
from tests.sagas.rig import Crash, Rig, new_sim, rig
from tests.sagas.seed import seed


def saga_of(name: str) -> Saga[Any]:
    """The saga that an example is of."""
    return SAGAS[name.partition(" ")[0]]


STEPS = [
    pytest.param(name, step.name, id=f"{name}-{step.name}")
    for name in EXAMPLES
    for step in saga_of(name).steps
]
WORLD_STEPS = [
    pytest.param(name, step.name, id=f"{name}-{step.name}")
    for name in EXAMPLES
    for step in saga_of(name).steps
    if not step.decides
]
# Begun because something is wrong in the world, which a failure leaves as it was.
STILL_THERE = ("sweep.guest:1",)
UNDONE_SAGAS = [name for name in EXAMPLES if not saga_of(name).forward_only]


def test_every_saga_has_an_example() -> None:
    assert set(SAGAS) == {saga_of(name).name for name in EXAMPLES}


@pytest.fixture
def home() -> Iterator[Path]:
    """On a memory file system where there is one: these tests commit thousands of times."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
        yield Path(folder)


@asynccontextmanager
async def ready(home: Path, name: str) -> AsyncIterator[tuple[Rig, Any]]:
    """A seeded engine, and the example's intent."""
    async with rig(home, new_sim()) as r:
        await seed(r)
        yield r, await EXAMPLES[name](r)


def step_of(saga: str, name: str) -> Step[Any, Any]:
    return next(step for step in saga_of(saga).steps if step.name == name)


def goes_forward(saga: str, step: Step[Any, Any]) -> bool:
    """Whether a failure at this step parks the run: nothing is undone any more."""
    steps = saga_of(saga).steps
    return saga_of(saga).forward_only or any(s.is_pivot for s in steps[: steps.index(step)])


@contextmanager
def instead(step: Step[Any, Any], do: Callable[..., Any], *, undo: bool = False) -> Iterator[None]:
    """Replace what a step does, or its undo, for a while."""
    name = "undo_do" if undo else "do"
    real = getattr(step, name)
    setattr(step, name, do)
    try:
        yield
    finally:
        setattr(step, name, real)


def twice(real: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    async def do(run: Any) -> Any:
        await real(run)
        return await real(run)

    return do


def failing(
    real: Callable[[Any], Awaitable[Any]], error: type[Exception], *, after: bool, times: int = 99
) -> Callable[[Any], Awaitable[Any]]:
    """A step that fails `times` times, before or after it had its effect."""
    left = [times]

    async def do(run: Any) -> Any:
        if left[0] == 0:
            return await real(run)
        left[0] -= 1
        if after:
            await real(run)
        raise error("injected")

    return do


@pytest.mark.parametrize("name", EXAMPLES)
async def test_it_succeeds(name: str, home: Path) -> None:
    async with ready(home, name) as (r, ask):
        row = await r.run(ask)
        assert row.state is RunState.SUCCEEDED, row.error_text
        await judge(r)


@pytest.mark.parametrize(("name", "step"), WORLD_STEPS)
async def test_a_step_may_be_repeated(name: str, step: str, home: Path) -> None:
    async with ready(home, name) as (r, ask):
        with instead(step_of(name, step), twice(step_of(name, step).do)):
            row = await r.run(ask)
        assert row.state is RunState.SUCCEEDED, row.error_text
        await judge(r)


@pytest.mark.parametrize("error", [Unavailable, Unknown])
@pytest.mark.parametrize(("name", "step"), WORLD_STEPS)
async def test_a_passing_fault_is_ridden_out(
    name: str, step: str, error: type[Exception], home: Path
) -> None:
    """`Unknown` here means: it did happen, and nobody heard."""
    async with ready(home, name) as (r, ask):
        do = failing(step_of(name, step).do, error, after=error is Unknown, times=1)
        with instead(step_of(name, step), do):
            row = await r.run(ask)
        assert row.state is RunState.SUCCEEDED, row.error_text
        await judge(r)


FAULTS = [(Refused, False), (Unavailable, False), (Unknown, True), (Unknown, False)]


@pytest.mark.parametrize(("error", "after"), FAULTS, ids=["refused", "down", "did", "did-not"])
@pytest.mark.parametrize(("name", "step"), WORLD_STEPS)
async def test_a_lasting_fault_leaves_nothing_behind(
    name: str, step: str, error: type[Exception], after: bool, home: Path
) -> None:
    async with ready(home, name) as (r, ask):
        before = picture(r)
        it = step_of(name, step)
        with instead(it, failing(it.do, error, after=after)):
            row = await r.run(ask)
        unsure = it.is_pivot and error is Unknown
        if goes_forward(name, it) or unsure:
            assert row.state is RunState.PARKED
            await r.engine.decide(MendJob(job_id=row.id, way="retry"), r.by)
            row = await r.engine.runner.wait(row.id)
            assert row.state is RunState.SUCCEEDED, row.error_text
        else:
            assert row.state is RunState.FAILED
            assert row.error == error.__name__
            assert row.error_text.partition("; and no other place: ")[0] == "injected"
            if it.undo_do is not None or it.is_pivot:
                assert picture(r) == before
        if name in STILL_THERE:
            assert picture(r) == before, "the next look finds it again"
        elif it.undo_do is not None or saga_of(name).forward_only or it.is_pivot or not after:
            await judge(r)


@pytest.mark.parametrize(("name", "step"), STEPS)
async def test_a_refused_decision_leaves_nothing_behind(name: str, step: str, home: Path) -> None:
    it = step_of(name, step)
    if not it.decides or (goes_forward(name, it) and it is not saga_of(name).steps[0]):
        return

    def refuse(run: Any) -> Any:
        it_was(run)
        raise NotAllowed("injected")

    it_was = it.do
    async with ready(home, name) as (r, ask):
        before, position = picture(r), r.cloud.position
        with instead(it, refuse):
            if it is saga_of(name).steps[0]:
                with pytest.raises(NotAllowed, match="injected"):
                    await r.engine.submit(ask, r.by)
                assert r.cloud.position == position, "a refusal left events"
            else:
                row = await r.run(ask)
                assert (row.state, row.error) == (RunState.FAILED, "NotAllowed")
        undoable = all(s.undo_do for s in saga_of(name).steps if not s.decides)
        if undoable:
            assert picture(r) == before
            await judge(r)


@pytest.mark.parametrize(("name", "step"), WORLD_STEPS)
async def test_undo_may_be_repeated(name: str, step: str, home: Path) -> None:
    it = step_of(name, step)
    if it.undo_do is None:
        return
    async with ready(home, name) as (r, ask):
        before = picture(r)
        with instead(it, failing(it.do, Refused, after=True)):
            with instead(it, twice(it.undo_do), undo=True):
                row = await r.run(ask)
        assert row.state is RunState.FAILED
        assert picture(r) == before
        await judge(r)


@pytest.mark.parametrize(("name", "step"), WORLD_STEPS)
async def test_a_job_can_be_cancelled_at_any_step(name: str, step: str, home: Path) -> None:
    it = step_of(name, step)
    if saga_of(name).forward_only or it.undo_do is None:
        return
    async with ready(home, name) as (r, ask):
        before = picture(r)

        async def cancel_then_hang(run: Any) -> Any:
            await it_was(run)
            await r.engine.decide(CancelJob(job_id=run.id), r.by)
            await asyncio.sleep(30)

        it_was = it.do
        with instead(it, cancel_then_hang):
            row = await r.run(ask)
        assert (row.state, row.error) == (RunState.FAILED, "Cancelled")
        assert picture(r) == before
        await judge(r)


@pytest.mark.parametrize("die_before", [False, True], ids=["after", "before"])
@pytest.mark.parametrize("name", EXAMPLES)
async def test_it_goes_on_after_a_crash_at_any_commit(
    name: str, die_before: bool, home: Path
) -> None:
    """Dies at the first commit, then at the second, and so on until one life is long enough."""
    for die_at in range(1, 30):
        folder = home / f"{die_at}"
        folder.mkdir()
        if not await _lives(folder, name, die_at, die_before, fail_at=None):
            return
    pytest.fail("it never ended by itself")


@pytest.mark.parametrize("name", UNDONE_SAGAS)
async def test_its_undo_goes_on_after_a_crash_at_any_commit(name: str, home: Path) -> None:
    undoable = [step for step in saga_of(name).steps if step.undo_do and not step.decides]
    if not undoable:
        return
    for die_at in range(1, 40):
        folder = home / f"{die_at}"
        folder.mkdir()
        if not await _lives(folder, name, die_at, False, fail_at=undoable[-1]):
            return
    pytest.fail("it never ended by itself")


async def _lives(
    home: Path, name: str, die_at: int, die_before: bool, fail_at: Step[Any, Any] | None
) -> bool:
    """One life that ends at the n-th commit of the run, and one that ends it; False if it lived."""
    sim, crashed = new_sim(), False
    real = fail_at.do if fail_at else None

    @contextmanager
    def faults() -> Iterator[None]:
        if fail_at is None or real is None:
            yield
        else:
            with instead(fail_at, failing(real, Refused, after=True)):
                yield

    before, ask = None, None
    try:
        async with rig(home, sim) as r:
            await seed(r)
            ask = await EXAMPLES[name](r)
            before = picture(r)
            r.log.commits, r.log.die_at, r.log.die_before = 0, die_at, die_before
            with faults():
                await r.run(ask)
    except BaseExceptionGroup as group:
        assert group.subgroup(Crash) is not None, group
        crashed = True
    except Crash:
        crashed = True
    with faults():
        async with rig(home, sim) as r:
            for row in list(r.cloud.table("saga")):
                await r.engine.runner.wait(row.id)
            runs = [row for row in r.cloud.table("saga") if row.name == saga_of(name).name]
            if not runs:
                runs = [await r.run(ask)]  # It was never accepted, so its caller asks again.
            if fail_at is None:
                assert all(row.state is RunState.SUCCEEDED for row in runs)
            else:
                assert picture(r) == before
            await judge(r)
    return crashed
