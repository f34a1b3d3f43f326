"""Packed records are found, forgotten and saved as those of a dict of lists would be."""

from __future__ import annotations

import random
from uuid import UUID

import msgspec
import pytest

from aggregates.ids import uuid5
from projections.packed import RECORDS_A_CHUNK, Packed

ROOT = UUID(int=1)
COUNT = 40 * RECORDS_A_CHUNK


def _key(name: object) -> int:
    return uuid5(ROOT, str(name)).int


def _filled(count: int = COUNT) -> Packed:
    packed = Packed(place="I", size_bytes="q")
    for number in range(count):
        assert packed.put(_key(number), number, -number)
    return packed


def test_a_record_is_found_until_it_is_removed() -> None:
    packed, left = _filled(), {_key(number): (number, -number) for number in range(COUNT)}
    for key in random.Random(7).sample(sorted(left), COUNT // 2):
        packed.remove(key, *left.pop(key))
        assert key not in packed and packed.get(key) is None
    assert packed.count == len(left) == COUNT // 2
    assert {key: packed.get(key) for key in left} == left
    assert {int.from_bytes(key, "big"): tuple(rest) for key, *rest in packed} == left


def test_the_first_record_of_an_id_stays() -> None:
    packed = _filled(3)
    assert not packed.put(_key(1), 9, 9)
    assert packed.get(_key(1)) == (1, -1) and packed.count == 3


def test_an_id_may_have_several_records_in_their_order() -> None:
    packed = Packed(hold="16s")
    holds = [uuid5(ROOT, str(number)).bytes for number in range(COUNT)]
    for number, hold in enumerate(holds):
        packed.add(_key(number % 4), hold)
    assert packed.every(_key(3)) == [(hold,) for hold in holds[3::4]]
    packed.remove(_key(3), holds[7])
    assert packed.every(_key(3)) == [(hold,) for hold in (holds[3], *holds[11::4])]


def test_an_id_in_the_middle_of_a_record_is_no_key() -> None:
    """What a record tells of is an id as well, and an id may begin within another."""
    packed, (one, other) = Packed(of="16s"), (uuid5(ROOT, name) for name in ("one", "other"))
    packed.add(one.int, other.bytes)
    assert other.int not in packed
    packed.add(other.int, one.bytes)
    assert packed.get(other.int) == (one.bytes,)
    across = int.from_bytes(one.bytes[5:] + other.bytes[:5], "big")
    assert across not in packed and packed.every(across) == []


def test_what_is_saved_does_not_tell_how_it_came_to_be() -> None:
    packed, other = _filled(), Packed(place="I", size_bytes="q")
    for number in reversed(range(2 * COUNT)):
        other.put(_key(number), number, -number)
    for number in range(COUNT, 2 * COUNT):
        other.remove(_key(number), number, -number)
    assert packed.saved() == other.saved()


@pytest.mark.parametrize("count", [0, 1, COUNT, COUNT + 3])
def test_what_was_saved_is_taken_over_and_goes_on(count: int) -> None:
    packed, again = _filled(count), Packed(place="I", size_bytes="q")
    again.take(packed.saved())
    for one in (packed, again):
        for number in range(count, 2 * count):
            assert one.put(_key(number), number, 0)
    assert again.count == packed.count == 2 * count
    assert again.saved() == packed.saved()
    assert all(again.get(_key(number)) == (number, -number) for number in range(count))


def test_a_key_of_zeros_is_one_as_others_are() -> None:
    packed = Packed(place="I", size_bytes="q")
    for key in (0, 1 << 120, 1):
        packed.put(key, 0, 0)
    again = Packed(place="I", size_bytes="q")
    again.take(packed.saved())
    assert all(again.get(key) == (0, 0) for key in (0, 1, 1 << 120))


def test_bytes_that_are_no_records_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="no records of 28"):
        Packed(place="I", size_bytes="q").take(b"x" * 29)


def test_an_id_in_a_field_is_no_record_of_that_id() -> None:
    packed, known, named = Packed(vm="16s"), 1 << 64, 2 << 64
    packed.put(known, named.to_bytes(16, "big"))
    assert packed.isdisjoint([named, 3 << 64])
    assert not packed.isdisjoint([named, known])
