"""Spans that are over are packed, and tell the same as if they lay open."""

from __future__ import annotations

import random
from operator import itemgetter
from uuid import UUID

import pytest
from msgspec.structs import replace

from projections.usage_spans import (
    Ended,
    EndedSpans,
    Going,
    OpenSpans,
    encode,
    owner_of,
    restore,
    shape,
)

OWNER, ELSEWHERE = UUID(int=1), UUID(int=2)


def _ended(rng: random.Random, end_ms: int) -> Ended:
    what = shape(1, UUID(int=rng.randrange(5)))
    thing, vm_id = UUID(int=rng.getrandbits(128)), UUID(int=end_ms)
    owner = owner_of(OWNER, None, ELSEWHERE)
    was = Going(owner, what, f"guest-{end_ms}", None, vm_id, rng.randrange(end_ms))
    return Ended(thing, was, end_ms)


@pytest.fixture(params=[1, 2, 7])
def seed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("projections.usage_spans.BLOCK", 5 * request.param)
    monkeypatch.setattr("projections.usage_spans.KEPT_OPEN", 3 * request.param)
    monkeypatch.setattr("projections.usage_spans.PACKED_AT_ONCE", request.param)
    number: int = request.param
    return number


def test_packed_spans_are_found_by_their_ends_and_forgotten(seed: int) -> None:
    rng, ended, known = random.Random(seed), EndedSpans(), list[Ended]()
    end_ms = 1
    for _ in range(200):
        end_ms += rng.randrange(3)  # many end at the same time
        known.append(_ended(rng, end_ms))
        ended.add(known[-1])
        if rng.random() < 0.05:
            before_ms = rng.randrange(end_ms + 1)
            ended.forget(before_ms)
            known = [span for span in known if span.end_ms > before_ms]
        first_ms = rng.randrange(end_ms + 2)
        wanted = [one.span() for one in known if one.end_ms > first_ms]
        assert list(ended.since(first_ms)) == wanted
    assert ended.blocks


def test_what_is_saved_is_what_was_and_goes_on_in_the_same_way(seed: int) -> None:
    rng, ended, going = random.Random(seed), EndedSpans(), OpenSpans()
    for number in range(1, 43):
        ended.add(_ended(rng, number))
        thing, owner = UUID(int=number), owner_of(OWNER, ELSEWHERE, None)
        kinds = [shape(kind, UUID(int=number % 3)) for kind in range(number % 4)]
        going.put(thing, [Going(owner, one, f"g{number}", None, None, number) for one in kinds])
        meters = [replace(one, name=f"g{number}") for one in kinds]
        assert [one.span(thing).meter for one in going.get(thing)] == meters
    again, later = OpenSpans(), EndedSpans()
    saved = encode(going, ended)
    restore(saved, again, later)
    assert encode(again, later) == saved
    for number in range(43, 60):
        for book in (ended, later):
            book.add(_ended(random.Random(number), number))
    assert encode(again, later) == encode(going, ended)
    assert list(later.since(0)) == list(ended.since(0))
    assert in_order(again) == in_order(going)


def in_order(going: OpenSpans) -> list[tuple[int, Going]]:
    return sorted(going.every(), key=itemgetter(0))


def _going(rng: random.Random, thing: UUID) -> list[Going]:
    """Spans of one thing, as guests have them: about cards or groups, of itself or of another."""
    name, found = rng.choice(["web", "", "größer"]), list[Going]()
    for _ in range(rng.randrange(4)):
        owner = owner_of(OWNER, None, rng.choice([None, ELSEWHERE]))
        about = rng.choice([None, UUID(int=rng.getrandbits(128))])
        vm_id = rng.choice([None, thing, UUID(int=rng.getrandbits(128))])
        what = shape(rng.randrange(3), UUID(int=rng.randrange(2)))
        found.append(Going(owner, what, name, about, vm_id, rng.randrange(1 << 41)))
    return found


def test_spans_that_go_on_are_the_same_while_they_lie_packed(seed: int) -> None:
    rng, going, known = random.Random(seed), OpenSpans(), dict[UUID, list[Going]]()
    things = [UUID(int=rng.getrandbits(128)) for _ in range(60)]
    for _ in range(600):
        thing = rng.choice(things)
        assert list(going.get(thing)) == known.get(thing, [])
        known[thing] = _going(rng, thing)
        going.put(thing, known[thing])
    told = [(thing.int, one) for thing in sorted(known) for one in known[thing]]
    assert in_order(going) == told
    every = going.every()
    for thing in things:
        going.get(thing)
        going.put(thing, [])
    assert list(going.every()) == [] and not going._forms and not going._form_of
    assert sorted(every, key=itemgetter(0)) == told, "those that there were when it was asked"


def test_what_need_not_lie_open_is_packed_piece_by_piece() -> None:
    going, owner = OpenSpans(), owner_of(OWNER, ELSEWHERE, None)
    going.keep(100)
    things = [UUID(int=number) for number in range(1, 51)]
    for thing in things:
        going.put(thing, [Going(owner, shape(1), "g", None, None, thing.int)])
    assert going.cool(10) == 0, "all of them may lie open"
    before = sorted(going.every(), key=itemgetter(0))
    going.keep(5)
    assert [going.cool(20) for _ in range(4)] == [20, 20, 5, 0]
    assert sorted(going.every(), key=itemgetter(0)) == before
    assert [going.get(thing)[0].begin_ms for thing in things] == [thing.int for thing in things]
