"""Decisions that need no work in the world: one intent, one commit, an answer at once.

    @decision
    def rename(ask: RenameVm, desk: Desk) -> None:
        vm = desk.row(vms, ask.vm_id)
        desk.change(vm, vm.rename(ask.name))

A decision is a plain function from what is known to events. It is decided again, from the newest
rows, whenever somebody else was first; so it must do nothing but read and write events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from aggregates.base import Aggregate, Event
from engine.draft import Decision, Draft
from engine.hints import hint
from engine.intents import By
from engine.world import World
from projections.cloud import Cloud
from projections.table import TableSpec

R = TypeVar("R", bound=Aggregate)
D = TypeVar("D", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Desk:
    """What a decision sees, and where it puts its events."""

    draft: Draft
    world: World
    by: By

    @property
    def cloud(self) -> Cloud:
        return self.world.cloud

    def row(self, spec: TableSpec[R], row_id: UUID) -> R:
        return self.draft.row(spec, row_id)

    def create(self, stream: UUID, first: Event) -> None:
        self.draft.create(stream, first)

    def change(self, row: Aggregate, *events: Event) -> None:
        self.draft.change(row, *events)

    def guard(self, row: Aggregate) -> None:
        """This decision relies on `row` as it is."""
        self.draft.guard(row)

    def add(self, made: Decision, hold: UUID) -> None:
        """Commit what the allocator decided for `hold` with this decision."""
        self.draft.add(made, partial(self.world.allocator.forget, hold))


DECISIONS: dict[type[Any], Callable[[Any, Desk], Any]] = {}


def decision(fn: D) -> D:
    """Register a decision under the type of its first argument."""
    ask = hint(fn, "ask")
    assert ask not in DECISIONS, f"two decisions for {ask.__name__}"
    DECISIONS[ask] = fn
    return fn
