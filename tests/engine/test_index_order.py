"""Rows of one index entry are in order of creation, and those of one moment as they came."""

from __future__ import annotations

import random

import pytest

from projections.index import Index

MOMENTS, STEPS = 4, 2_000


@pytest.mark.parametrize("seed", range(5))
def test_an_entry_is_as_a_sorted_list_of_what_came(seed: int) -> None:
    """Many share a moment; names and ids have no say in who of them is first."""
    rng, times = random.Random(seed), dict[int, int]()
    index, came = Index(times.__getitem__), list[int]()
    for number in rng.sample(range(STEPS), STEPS):
        if came and rng.random() < 0.5:
            gone = came.pop(rng.randrange(len(came)))
            index.take("key", gone, times[gone])
        else:
            times[number] = rng.randrange(MOMENTS)
            came.append(number)
            index.put("key", number, times[number])
        assert [*index.of("key")] == sorted(came, key=times.__getitem__)
    for number in came:
        index.take("key", number, times[number])
    assert not len(index)
