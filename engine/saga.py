"""How a saga is declared: steps in the order they run, each beside its undo.

    start_vm = Saga("vm.start:1", StartVm, subject="vm", subject_id=lambda ask: ask.vm_id)

    @start_vm.step
    def begin(run: Run[StartVm]) -> None: ...           # decides, writes facts, touches nothing

    @begin.undo
    def give_up(run: Run[StartVm]) -> None: ...

    @start_vm.step(timeout_s=60)
    async def start_guest(run: Run[StartVm]) -> str: ...      # touches the world by `run.key`

A plain `def` decides from what is known and writes events; it is committed whole or not at all. An
`async def` calls drivers and writes nothing: what it learned is its output. The first step is a
plain one and runs before the caller has an answer, so its refusal is the caller's error and leaves
no trace. A step without undo says why. Renaming a step is a migration: raise the saga's version.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from inspect import iscoroutinefunction
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    NewType,
    Protocol,
    TypeVar,
    cast,
    overload,
)
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, Event
from aggregates.ids import uuid5
from aggregates.saga import Tried
from engine.draft import Decision, Draft, row_of
from engine.hints import hint
from engine.retry import FORWARD, Patience
from projections.cloud import Cloud
from projections.table import TableSpec

if TYPE_CHECKING:
    from engine.world import World

I = TypeVar("I")  # noqa: E741 - the intent
T = TypeVar("T")
R = TypeVar("R", bound=Aggregate)
Key = NewType("Key", UUID)

# Of each saga, for so many sets of steps that are done it is remembered what comes next.
POINTS_KEPT = 256

Do = Callable[["Run[I]"], Any]
Report = Callable[[int, str], Awaitable[None]]


@lru_cache(maxsize=8192)
def key_for(run_id: UUID, step: str) -> Key:
    """The key of a step of a run: name-based, so that every life of the controller finds it."""
    return Key(uuid5(run_id, step))


@dataclass(slots=True, eq=False)
class Step(Generic[I, T]):
    """One step; also the typed handle of its output, as in `run[place]`.

    `decides` says that it only writes events: it is a plain function. A pivot is the step that
    settles a run's direction: before it everything is undone, and behind it nothing is. One with
    `choices` may be gone back to, and one may be `hopeless`: see `Saga.step`.
    """

    name: str
    do: Do[I]
    after: tuple[Step[I, Any], ...]
    timeout_s: float
    patience: Patience
    no_undo: str
    output: Any
    decides: bool
    is_pivot: bool = False
    choices: int = 1
    hopeless: Callable[[Run[I]], bool] | None = None
    undo_do: Do[I] | None = None

    def undo(self, do: Do[I]) -> Do[I]:
        """Pair `do` with this step; it must succeed when there is nothing left to undo."""
        assert not self.no_undo, f"{self.name} says that it has no undo"
        assert self.undo_do is None, f"{self.name} has two undos"
        self.undo_do = do
        return do


@dataclass(slots=True)
class Run(Generic[I]):
    """What one step sees: what was asked, the world, its own key, and earlier outputs.

    `tried` is what the step that chooses chose before, `renewed` are the steps that began anew. An
    undo that `is_turning` goes back to that step only: all that lasts till then is to be left.
    """

    id: UUID
    intent: I
    world: World
    account_id: UUID | None
    user_id: UUID | None
    outputs: dict[str, Any]
    step: str = ""
    draft: Draft | None = None
    tried: Sequence[Tried] = ()
    renewed: Collection[str] = ()
    is_turning: bool = False
    report: Report | None = None
    stretch: Callable[[float], None] | None = None

    @property
    def key(self) -> Key:
        """The same for every attempt of this step and for its undo, until it begins anew."""
        return key_for(self.id, self._keyed(self.step))

    @property
    def undo_key(self) -> Key:
        """For an undo that makes something: under `key` this step took it away for good."""
        return key_for(self.id, f"{self._keyed(self.step)} undo")

    def key_of(self, step: Step[I, Any]) -> Key:
        return key_for(self.id, self._keyed(step.name))

    def _keyed(self, step: str) -> str:
        return f"{step} {len(self.tried) + 1}" if step in self.renewed else step

    def chosen(self, step: Step[I, T]) -> list[T]:
        """What this step chose before and nothing could be done with."""
        return [
            cast(T, msgspec.convert(one.output, step.output, str_keys=True)) for one in self.tried
        ]

    def __getitem__(self, step: Step[I, T]) -> T:
        return cast(T, msgspec.convert(self.outputs[step.name], step.output, str_keys=True))

    def __contains__(self, step: Step[I, Any]) -> bool:
        return step.name in self.outputs

    @property
    def cloud(self) -> Cloud:
        return self.world.cloud

    def row(self, spec: TableSpec[R], row_id: UUID) -> R:
        """A row with this run's own uncommitted changes in it; `NotFound` if there is none."""
        if self.draft is None:
            return row_of(self.world.cloud, spec, row_id)
        return self.draft.row(spec, row_id)

    def create(self, stream: UUID, first: Event) -> None:
        self._deciding().create(stream, first)

    def change(self, row: Aggregate, *events: Event) -> None:
        self._deciding().change(row, *events)

    def guard(self, row: Aggregate) -> None:
        """This step relies on `row` as it is: whoever changes it at the same moment comes first."""
        self._deciding().guard(row)

    def close(self, row: Aggregate) -> None:
        """This step has seen all that relies on `row`: whoever comes to do so comes first."""
        self._deciding().close(row)

    def add(self, decision: Decision, hold: UUID) -> None:
        """Commit what the allocator decided for `hold` with this step."""
        # Nothing that this run is part of: a circle would wait for the collector.
        self._deciding().add(decision, partial(self.world.allocator.forget, hold))

    async def progress(self, percent: int, text: str = "") -> None:
        """Tell those who watch the job how far this step is; what is said too often is dropped."""
        if self.report is not None:
            await self.report(percent, text)

    def may_take(self, within_s: float) -> None:
        """This attempt has so long from now on, if that is more than is left of its step's time."""
        if self.stretch is not None:
            self.stretch(within_s)

    def _deciding(self) -> Draft:
        assert self.draft is not None, f"{self.step} touches the world: write facts in a plain step"
        return self.draft


class Register(Protocol[I]):
    """What `step(...)` with options gives back: the decorator, typed by the step's output."""

    @overload
    def __call__(self, do: Callable[[Run[I]], Coroutine[Any, Any, T]], /) -> Step[I, T]: ...
    @overload
    def __call__(self, do: Callable[[Run[I]], T], /) -> Step[I, T]: ...


@dataclass(slots=True, eq=False)
class Saga(Generic[I]):
    """A named, versioned list of steps for one kind of intent."""

    name: str
    intent: type[I]
    subject: str
    subject_id: Callable[[I], UUID | None]
    forward_only: bool = False
    steps: list[Step[I, Any]] = field(default_factory=list)
    _has_pivot: bool = False
    _ready: dict[tuple[str, ...], tuple[Step[I, Any], ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.name not in SAGAS, f"two sagas are called {self.name}"
        assert ":" in self.name, f"{self.name} has no version"
        SAGAS[self.name] = self
        BY_INTENT[self.intent] = self

    @overload
    def step(self, do: Callable[[Run[I]], Coroutine[Any, Any, T]], /) -> Step[I, T]: ...
    @overload
    def step(self, do: Callable[[Run[I]], T], /) -> Step[I, T]: ...
    @overload
    def step(
        self,
        /,
        *,
        after: tuple[Step[I, Any], ...] | None = None,
        timeout_s: float = 120,
        patience: Patience = FORWARD,
        no_undo: str = "",
        pivot: bool = False,
        choices: int = 1,
        hopeless: Callable[[Run[I]], bool] | None = None,
    ) -> Register[I]: ...
    def step(
        self,
        do: Any = None,
        /,
        *,
        after: tuple[Step[I, Any], ...] | None = None,
        timeout_s: float = 120,
        patience: Patience = FORWARD,
        no_undo: str = "",
        pivot: bool = False,
        choices: int = 1,
        hopeless: Callable[[Run[I]], bool] | None = None,
    ) -> Any:
        """Add a step. It runs after the one before it, or after exactly the steps in `after`.

        A `pivot` has an effect that cannot be undone and that a run must not leave half told: if
        it was surely refused the run is undone, if it may have happened the run goes forward.

        A step with `choices` chooses a place. If that does not answer those behind it, the run is
        undone back to the step, and it chooses anew, so often in all. If it finds none, those
        behind it are undone once more, without its output. An attempt that failed is the last one
        where `hopeless` says that its place is known to be lost.
        """

        def register(fn: Do[I]) -> Step[I, Any]:
            before = tuple(self.steps[-1:]) if after is None else after
            name, output = fn.__name__, hint(fn, "return")
            assert all(one.name != name for one in self.steps), f"{self.name}: two steps {name}"
            made: Step[I, Any] = Step(
                name, fn, before, timeout_s, patience, no_undo, output, not iscoroutinefunction(fn)
            )
            made.is_pivot, made.choices, made.hopeless = pivot, choices, hopeless
            self._has_pivot |= pivot
            self._ready.clear()
            assert self.steps or made.decides, f"{self.name}: the first step must decide"
            self.steps.append(made)
            return made

        return register(do) if do is not None else register

    def twin(self, name: str, intent: type[Any], subject: str) -> Saga[Any]:
        """The same steps for the intent of another noun that is worked on in the same way."""
        made: Saga[Any] = Saga(name, intent, subject, self.subject_id, self.forward_only)
        made.steps, made._has_pivot, made._ready = self.steps, self._has_pivot, self._ready
        return made

    def check(self) -> None:
        """A saga that could not be undone and does not say why may not be registered."""
        for one in self.steps:
            if not self.forward_only:
                assert one.undo_do or one.no_undo, f"{self.name} {one.name}: no undo, no reason"

    def settled(self, done: Collection[str]) -> bool:
        """Whether the run can only go forward: it always could, or its pivot may have begun."""
        if self.forward_only or not self._has_pivot:
            return self.forward_only
        return any(
            one.is_pivot and all(before.name in done for before in one.after) for one in self.steps
        )

    def ready(self, done: Collection[str]) -> Sequence[Step[I, Any]]:
        """The steps whose turn it is. Runs of a saga are asked for it at the same few points."""
        point = tuple(done)
        found = self._ready.get(point)
        if found is None:
            if len(self._ready) >= POINTS_KEPT:
                self._ready.clear()
            found = self._ready[point] = tuple(self._due(done))
        return found

    def _due(self, done: Collection[str]) -> list[Step[I, Any]]:
        found = []
        for one in self.steps:
            if one.name not in done:
                for before in one.after:
                    if before.name not in done:
                        break
                else:
                    found.append(one)
        return found

    def choice(self) -> Step[I, Any] | None:
        """The step that chooses a place, if there is one."""
        return next((one for one in self.steps if one.choices > 1), None)

    def behind(self, step: Step[I, Any]) -> list[Step[I, Any]]:
        """Those that run after a step."""
        return self.steps[self.steps.index(step) + 1 :]

    def begun(self, done: Collection[str], renewed: Collection[str] = ()) -> Iterator[Step[I, Any]]:
        """Latest first, every step that did happen or may have: what an undo must visit.

        Those that were to begin anew are among them: they may have left something for that.
        """
        for one in reversed(self.steps):
            due = one.name in renewed or all(before.name in done for before in one.after)
            if one.name in done or (due and not one.decides):
                yield one


SAGAS: dict[str, Saga[Any]] = {}
BY_INTENT: dict[type[Any], Saga[Any]] = {}
