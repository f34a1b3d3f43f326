"""However partitions interleave, the rows come out in log order, each once, with bounded memory."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cluster.merge import ROW_BYTES, Disorder, Merge
from engine.log import Stored

Chained = tuple[Stored, int]


def row(position: int, state: bytes = b"{}") -> Stored:
    return Stored(position, UUID(int=position), 1, "toy.made", state)


def chained(positions: list[int]) -> list[Chained]:
    """Rows of a log that has these positions, with the position before each."""
    return [(row(now), before) for before, now in zip([0, *positions], positions, strict=False)]


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[Chained], list[list[Chained]]]:
    """A log with holes, and how it lies in some partitions."""
    steps = draw(st.lists(st.integers(1, 3), max_size=60))
    positions = [sum(steps[: n + 1]) for n in range(len(steps))]
    partitions: list[list[Chained]] = [[] for _ in range(draw(st.integers(1, 5)))]
    log = chained(positions)
    for one in log:
        draw(st.sampled_from(partitions)).append(one)
    return log, partitions


class Partition:
    """What is still to be read of a partition. It may repeat the last records, as a relay may."""

    def __init__(self, number: int, rows: list[Chained]) -> None:
        self.number, self.rows, self.at = number, rows, 0

    def read(self, many: int, again: int) -> list[Chained]:
        first = max(0, self.at - again)
        self.at = min(len(self.rows), self.at + many)
        return self.rows[first : self.at]


@settings(max_examples=300, deadline=None)
@given(logs(), st.data())
def test_every_interleaving_gives_the_log(made: Any, data: st.DataObject) -> None:
    log, rows = made
    after = data.draw(st.integers(0, (log[-1][0].position if log else 0) + 1), "after")
    merge, taken = Merge(after), []
    partitions = [Partition(number, rows) for number, rows in enumerate(rows)]
    while open_ones := [one for one in partitions if one.at < len(one.rows)]:
        one = data.draw(st.sampled_from(open_ones))
        many, again = data.draw(st.tuples(st.integers(1, 7), st.integers(0, 3)), "read")
        merge.offer(one.number, one.read(many, again))
        taken += merge.take(data.draw(st.integers(1, 9)))
    while more := merge.take(4):
        taken += more
    assert taken == [one for one, _ in log if one.position > after]
    assert merge.waiting == 0 and merge.missing is None
    assert merge.last == (taken[-1].position if taken else after)


@settings(max_examples=200, deadline=None)
@given(logs(), st.integers(1, 4), st.data())
def test_pausing_bounds_what_waits_and_never_stops_the_merge(
    made: Any, rows_ahead: int, data: st.DataObject
) -> None:
    """Read as the consumer reads: from whoever is not ahead, one record at a time."""
    log, rows = made
    size = ROW_BYTES + 2
    merge, taken = Merge(0, ahead_bytes=rows_ahead * size), []
    partitions = [Partition(number, rows) for number, rows in enumerate(rows)]
    while len(taken) < len(log):
        ready = [p for p in partitions if p.number not in merge.ahead() and p.at < len(p.rows)]
        assert ready, "everybody pauses and the next row is not here"
        one = data.draw(st.sampled_from(ready))
        merge.offer(one.number, one.read(1, 0))
        assert merge.waiting <= (rows_ahead + 1) * len(partitions)
        taken += merge.take(100)
        # Something of every partition waits: then the next row would be lost for ever.
        assert merge.missing is None or len(merge.held()) < len(partitions)
    assert taken == [one for one, _ in log]
    assert not merge.held()


def test_a_row_that_is_missing_is_told_and_holds_up_those_behind_it() -> None:
    log = chained([1, 2, 5, 6, 9])
    merge = Merge(0)
    merge.offer(0, [log[0], log[1], log[4]])
    assert [one.position for one in merge.take(10)] == [1, 2]
    assert (merge.waiting, merge.missing) == (1, (2, 6))
    merge.offer(1, [log[2], log[3]])
    assert merge.missing is None
    assert [one.position for one in merge.take(10)] == [5, 6, 9]


def test_what_waits_is_told_by_partition() -> None:
    log = chained([1, 2, 5, 6])
    merge = Merge(0)
    merge.offer(3, [log[1], log[3]])
    merge.offer(4, [log[2]])
    assert set(merge.held()) == {3, 4} and merge.missing == (0, 1)
    merge.offer(5, [log[0]])
    merge.take(2)
    assert set(merge.held()) == {3, 4}
    merge.take(9)
    assert merge.held() == {}


def test_two_rows_that_follow_the_same_row_are_not_of_one_log() -> None:
    merge = Merge(0)
    merge.offer(0, [(row(1), 0), (row(3), 2)])
    with pytest.raises(Disorder, match=r"positions 3 and 4 both .* follow position 2") as wrong:
        merge.offer(1, [(row(4), 2)])
    assert wrong.value.position == 4


def test_a_row_that_follows_one_long_gone_by_is_not_of_this_log() -> None:
    merge = Merge(0)
    merge.offer(0, chained([1, 2, 3]))
    merge.take(10)
    with pytest.raises(Disorder, match="position 4 says that it follows position 2"):
        merge.offer(1, [(row(4), 2)])


def test_states_count_for_how_far_ahead_a_partition_is() -> None:
    merge = Merge(0, ahead_bytes=10_000)
    merge.offer(0, [(row(3, b"x" * 6_000), 2)])
    assert merge.ahead() == set()
    merge.offer(0, [(row(4, b"x" * 6_000), 3)])
    assert merge.ahead() == {0}
    merge.offer(1, chained([1, 2]))
    merge.take(10)
    assert merge.ahead() == set()
