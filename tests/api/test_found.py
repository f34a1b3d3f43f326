"""What is kept of questions and of pages is what a walk, or a new page, would be now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from aggregates.base import Recorded
from aggregates.vm import VmExpunged
from api.found import AS_ROWS, EVERYTHING, Found, Walk
from projections.picked import Picked
from projections.table import Table
from projections.vm import Vm, vms
from tests.api.fakes import named
from tests.api.test_text_index import created, renamed

HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["create", "rename", "remove", "ask", "begin", "tick"]),
        st.integers(0, 5),
        st.sampled_from(["web", "db"]),
    ),
    max_size=40,
)


class Place:
    """A table that tells `found` of its changes, on a clock that often stands still.

    Of each name one walk may be under way: what it found so far is kept when it is asked for.
    """

    def __init__(self, found: Found) -> None:
        self.table: Table[Vm] = Table(vms)
        self.found, self.at_ms, self._position = found, 1, 0
        self._ended: list[int] = []
        self._begun: dict[str, tuple[ExitStack, Walk, Picked[Vm]]] = {}
        self.table.watch = lambda kind, row, before: found.changed(kind, row)

    def happen(self, what: str, number: int, name: str) -> None:
        # An id is used once: what is created anew has another one.
        row_id = named(f"vm {number}, the {self._ended.count(number)}th of this number")
        row, event = self.table.get(row_id), cast(Any, None)
        if what == "create" and row is None:
            event = created(name)
        elif what == "rename" and row is not None:
            event = renamed(row, name)
        elif what == "remove" and row is not None:
            event = VmExpunged()
            self._ended.append(number)
        if event is not None:
            self._position += 1
            self.table.fold(
                Recorded(
                    position=self._position, stream=row_id, version=self._position,
                    at_ms=self.at_ms, event=event,
                )
            )  # fmt: skip

    def begin(self, name: str) -> None:
        """Find those of a name, by way of the index, and have the cloud go on before the end."""
        if name in self._begun:
            return
        rows, stack = self.table.by("name", name) if name else self.table.picked(), ExitStack()
        walk = stack.enter_context(self.found.walk(self.table))
        self._begun[name] = stack, walk, Picked(self.table, list(rows.numbers))

    def ask(self, name: str) -> list[Vm]:
        """Those of a name; with an empty one all."""
        kept = self.found.get(self.table, name)
        if kept is None:
            self.begin(name)
            kept = asyncio.run(self._end(name))
        return list(kept)

    async def _end(self, name: str) -> Picked[Vm]:
        stack, walk, rows = self._begun.pop(name)
        if walk.is_lost:
            stack.close()
            self.begin(name)
            stack, walk, rows = self._begun.pop(name)
        tests: list[Callable[[Any], bool]] = [lambda row: bool(row.name == name)] if name else []
        with stack:
            return await self.found.keep(self.table, name, rows, tests, walk, is_ranked=not name)

    def walked(self, name: str) -> list[Vm]:
        rows = (row for row in self.table if name in ("", row.name))
        return sorted(rows, key=lambda row: row.created_at_ms)


@given(HAPPENINGS, st.integers(2, 50))
def test_it_is_a_walk(happenings: list[tuple[str, int, str]], behind_most: int) -> None:
    place = Place(Found(behind_most=behind_most))
    for what, number, name in happenings:
        if what == "ask":
            assert list(map(id, place.ask(name))) == list(map(id, place.walked(name)))
        elif what == "begin":
            place.begin(name)
        elif what == "tick":
            place.at_ms += 1
        else:
            place.happen(what, number, name)
    for name in ("web", "db", EVERYTHING):
        assert list(map(id, place.ask(name))) == list(map(id, place.walked(name)))


def test_what_nobody_asks_for_is_not_kept() -> None:
    place = Place(Found(behind_most=4))
    place.happen("create", 0, "web")
    for name in ("web", "db"):
        place.ask(name)
    for _ in range(4):
        place.happen("rename", 0, "db")
        place.ask("db")
    place.happen("rename", 0, "web")
    assert place.found.get(place.table, "web") is None
    kept = place.found.get(place.table, "db")
    assert kept is not None and not len(kept)


def test_no_more_rows_are_kept_than_are_allowed() -> None:
    place = Place(Found(rows_most=AS_ROWS + 3))
    for number, name in enumerate(("web", "web", "db", "db")):
        place.at_ms += 1
        place.happen("create", number, name)
    place.ask("web")
    place.ask("db")
    assert place.found.get(place.table, "web") is None
    assert list(place.found.get(place.table, "db") or ()) == place.walked("db")
