"""Rows of one index entry are in order of creation, and those of one moment as they came."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from projections.table import Index, _list, _listed, _unlist

MOMENTS, STEPS = 4, 2_000


@pytest.mark.parametrize("seed", range(5))
def test_an_entry_is_as_a_sorted_list_of_what_came(seed: int) -> None:
    """Many share a moment; names and ids have no say in who of them is first."""
    rng, index = random.Random(seed), Index[Any]()
    came: list[Any] = []
    for _ in range(STEPS):
        if came and rng.random() < 0.5:
            gone = came.pop(rng.randrange(len(came)))
            _unlist(index, "key", gone)
        else:
            row = SimpleNamespace(created_at_ms=rng.randrange(MOMENTS))
            came.append(row)
            _list(index, "key", row)
        found: Sequence[Any] = list(_listed(index.get("key")))
        wanted = sorted(came, key=lambda one: one.created_at_ms)
        assert [id(one) for one in found] == [id(one) for one in wanted]
    for row in came:
        _unlist(index, "key", row)
    assert not index
