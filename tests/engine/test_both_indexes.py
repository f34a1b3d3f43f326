"""Rows with two values are found alike however many there are, and are not looked at where many."""

from __future__ import annotations

from typing import Any, cast

import pytest

from projections import table as tables
from tests.engine.test_cold_rows import Both, _id


def both_of(ask: Any, wanted: Any) -> list[int]:
    found = ask.both("account_id", _id(1), "state", lambda state: state == wanted)
    return cast(list[int], list(found.numbers))


@pytest.mark.parametrize("few", [0, 1, 3, 1000])
def test_whichever_index_says_it(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner's guests, those in the state, or both lists against one another."""
    monkeypatch.setattr(tables, "FEW", few)
    both = Both()
    for number in range(24):
        both.do("create", number)
        if number % 3 == 0:
            both.do("start", number)
    for state in ("Running", "Stopped", "Starting"):
        rows = [row for row in both.plain if row.account_id == _id(1) and row.state == state]
        assert both_of(both.plain, state) == both_of(both.packs, state)
        assert both_of(both.packs, state) == [row.id.int for row in rows]


def test_no_row_is_looked_at_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Both()
    for number in range(3000):
        both.do("create", number)
        if number % 5 == 0:
            both.do("start", number)
    looked = list[int]()
    glance = both.plain.glance

    def watched(number: int) -> Any:
        looked.append(number)
        return glance(number)

    monkeypatch.setattr(both.plain, "glance", watched)
    assert len(both_of(both.plain, "Running")) == 300
    assert not looked
    assert both_of(both.plain, "Migrating") == [] and not looked
