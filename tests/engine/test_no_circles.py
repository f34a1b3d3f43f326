"""What a deploy leaves behind goes with its last reference: nothing waits for the cyclic collector.

Rows live for ever, so each look of the collector at what a deploy left of itself costs more than
the deploy gained by leaving it.
"""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from aggregates.base import AGGREGATES, EVENTS
from drivers.sim.rows import Asked, SimDisk, SimGuest, SimHost, SimPool
from engine import collector
from engine.allocator.request import Write
from engine.decide import Desk
from engine.draft import Decision, Draft
from engine.intents import SYSTEM
from engine.saga import Run
from engine.world import World
from projections.cloud import Cloud
from projections.event_list import Entry


class Promised:
    """A decision of the allocator that has something to take back."""

    appends = (Write(uuid4(), 0, cast(Any, None)),)


def test_a_draft_with_promises_ends_with_its_last_reference() -> None:
    world = cast(World, SimpleNamespace(allocator=SimpleNamespace(forget=lambda hold: None)))
    gc.disable()
    try:
        for make in (_run, _desk):
            draft = Draft(Cloud())
            make(draft, world)
            end = weakref.finalize(draft._aborts[0], lambda: None)
            del draft
            assert not end.alive, f"{make.__name__}: something of the draft leads back to it"
    finally:
        gc.enable()


def _run(draft: Draft, world: World) -> None:
    run = Run(uuid4(), None, world, None, None, {}, "step", draft)
    run.add(cast(Decision, Promised()), uuid4())


def _desk(draft: Draft, world: World) -> None:
    Desk(draft, world, SYSTEM).add(cast(Decision, Promised()), uuid4())


def test_what_a_long_rest_brought_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector never walks a past that was folded, and walks what a short rest brought."""
    monkeypatch.setattr(collector, "WALKED_AT_MOST", 1_000)
    gc.collect()
    aside = gc.get_freeze_count()
    with collector.at_rest():
        few = [[number] for number in range(100)]
    assert gc.get_freeze_count() == aside
    with collector.at_rest():
        many = [[number] for number in range(2_000)]
    assert gc.get_freeze_count() >= aside + len(many) > len(few)
    gc.unfreeze()


def test_the_collector_looks_at_no_event_and_no_row() -> None:
    simulated = (SimHost, SimGuest, SimPool, SimDisk, Asked)
    for kind in (*EVENTS.values(), *AGGREGATES.values(), Entry, *simulated):
        assert not kind.__struct_config__.gc, f"{kind.__name__} is looked at by the collector"
