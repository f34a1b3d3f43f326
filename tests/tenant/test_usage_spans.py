"""Spans that are over are packed, and tell the same as if they lay open."""

from __future__ import annotations

import random
from uuid import UUID

import pytest

from projections.usage_spans import (
    EndedSpans,
    Going,
    Meter,
    OpenSpans,
    Span,
    encode,
    owner_of,
    restore,
    shape_of,
)

OWNER, ELSEWHERE = UUID(int=1), UUID(int=2)


def _span(rng: random.Random, end_ms: int) -> Span:
    meter = Meter(1, f"guest-{end_ms}", UUID(int=rng.randrange(5)), vm_id=UUID(int=end_ms))
    thing = UUID(int=rng.getrandbits(128))
    return Span(thing, OWNER, None, ELSEWHERE, meter, rng.randrange(end_ms), end_ms)


@pytest.fixture(params=[1, 2, 7])
def seed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("projections.usage_spans.BLOCK", 5 * request.param)
    number: int = request.param
    return number


def test_packed_spans_are_found_by_their_ends_and_forgotten(seed: int) -> None:
    rng, ended, known = random.Random(seed), EndedSpans(), list[Span]()
    end_ms = 1
    for _ in range(200):
        end_ms += rng.randrange(3)  # many end at the same time
        known.append(_span(rng, end_ms))
        ended.add(known[-1])
        if rng.random() < 0.05:
            before_ms = rng.randrange(end_ms + 1)
            ended.forget(before_ms)
            known = [span for span in known if span.end_ms > before_ms]
        first_ms = rng.randrange(end_ms + 2)
        assert list(ended.since(first_ms)) == [one for one in known if one.end_ms > first_ms]
    assert ended.blocks


def test_what_is_saved_is_what_was_and_goes_on_in_the_same_way(seed: int) -> None:
    rng, ended, going = random.Random(seed), EndedSpans(), OpenSpans()
    for number in range(1, 43):
        ended.add(_span(rng, number))
        meters = [Meter(kind, f"g{number}", UUID(int=number % 3)) for kind in range(number % 4)]
        owner = owner_of(OWNER, ELSEWHERE, None)
        parts = [Going(owner, shape_of(one), one.name, None, None, number) for one in meters]
        going.put(UUID(int=number), parts)
        assert [one.span(number).meter for one in going.get(UUID(int=number))] == meters
    again, later = OpenSpans(), EndedSpans()
    saved = encode(going, ended)
    restore(saved, again, later)
    assert encode(again, later) == saved
    for number in range(43, 60):
        for book in (ended, later):
            book.add(_span(random.Random(number), number))
    assert encode(again, later) == encode(going, ended)
    assert list(later.since(0)) == list(ended.since(0))
    assert list(again.every()) == list(going.every())
