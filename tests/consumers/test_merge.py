"""Records of many partitions come out in the log's one order, each once, and never past a gap."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.kafka_record import Row
from consumers.merge import FULL, Merge


def rows_of(positions: list[int], partitions: int, rng: random.Random) -> list[Row]:
    """The log at these positions, each row in some partition."""
    before = [0, *positions]
    return [
        Row(position, previous, rng.randrange(partitions), position, "toy.made", None)
        for previous, position in zip(before, positions, strict=False)
    ]


def shuffled(rows: list[Row], rng: random.Random) -> list[list[Row]]:
    """Batches as a consumer sees them: order within a partition holds, and nothing else."""
    lanes: dict[int, list[Row]] = {}
    for one in rows:
        lanes.setdefault(one.partition, []).append(one)
    batches = []
    while lanes:
        lane = rng.choice(sorted(lanes))
        count = rng.randint(1, 5)
        batches.append(lanes[lane][:count])
        lanes[lane] = lanes[lane][count:]
        if not lanes[lane]:
            del lanes[lane]
    return batches


@settings(max_examples=60, deadline=None)
@given(
    positions=st.lists(st.integers(1, 5_000), unique=True, max_size=120).map(sorted),
    after=st.integers(0, 5_000),
    seed=st.integers(0, 2**32),
)
def test_any_interleaving_gives_the_log_behind_any_position(
    positions: list[int], after: int, seed: int
) -> None:
    rng = random.Random(seed)
    rows = rows_of(positions, 4, rng)
    merge = Merge(after)
    told = [one.position for batch in shuffled(rows, rng) for one in merge.add(batch)]
    assert told == [position for position in positions if position > after]
    assert merge.missing is None


def test_nothing_passes_a_gap_until_it_is_filled() -> None:
    rows = rows_of([1, 2, 5, 6], 1, random.Random(1))
    merge = Merge(0)
    assert [one.position for one in merge.add([rows[0], rows[2], rows[3]])] == [1]
    assert merge.missing == (1, 5)
    assert [one.position for one in merge.add([rows[1]])] == [2, 5, 6]
    assert merge.missing is None


def test_a_repeated_record_comes_once() -> None:
    rows = rows_of([3, 4], 2, random.Random(1))
    merge = Merge(0)
    again = [rows[0], rows[0], rows[1], rows[1], rows[0]]
    assert [one.position for one in merge.add(again)] == [3, 4]


@pytest.mark.parametrize("held", [FULL - 1, FULL])
def test_a_partition_that_is_far_ahead_is_held(held: int) -> None:
    ahead = [Row(10 + n, 9 + n, 2, n, "toy.made", None) for n in range(held)]
    merge = Merge(0)
    assert list(merge.add(ahead)) == []
    assert merge.is_full(2) is (held >= FULL)
    assert len(list(merge.add([Row(9, 0, 1, 0, "toy.made", None)]))) == held + 1
    assert merge.has_room(2)
