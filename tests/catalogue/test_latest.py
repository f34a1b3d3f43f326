"""The latest lines: what a checkpoint held is decoded when it is read, and is what it was."""

from __future__ import annotations

import msgspec
import pytest

from projections.batches import ROWS_A_BATCH
from projections.latest import Latest


class Line(msgspec.Struct, frozen=True):
    number: int


class Other(msgspec.Struct, frozen=True):
    name: str


MOST = 2 * ROWS_A_BATCH + 7


def _lines(count: int) -> Latest[Line]:
    lines = Latest(Line)
    for number in range(count):
        lines.append(Line(number), most=MOST)
    return lines


def _restored(lines: Latest[Line]) -> Latest[Line]:
    again = Latest(Line)
    again.restore(msgspec.convert(lines.encode(), list[msgspec.Raw]))
    return again


def test_the_oldest_are_forgotten_one_by_one() -> None:
    lines = _lines(MOST)
    assert lines.append(Line(MOST), most=MOST) == Line(0)
    assert len(lines) == MOST
    assert [one.number for one in lines] == list(range(1, MOST + 1))
    assert [one.number for one in reversed(lines)] == list(range(MOST, 0, -1))


@pytest.mark.parametrize("count", [0, 1, ROWS_A_BATCH, ROWS_A_BATCH + 1, 2 * MOST])
def test_lines_of_a_checkpoint_go_on_as_those_that_were_never_saved(count: int) -> None:
    lines, again = _lines(count), _restored(_lines(count))
    assert len(again) == len(lines)
    for number in range(count, count + ROWS_A_BATCH + 3):
        assert again.append(Line(number), most=MOST) == lines.append(Line(number), most=MOST)
    assert list(again) == list(lines)
    assert again.encode() == lines.encode()


def test_only_what_is_read_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _restored(_lines(MOST))
    decoded: list[bytes] = []
    decode = lines._decode
    monkeypatch.setattr(lines, "_decode", lambda part: decoded.append(part) or decode(part))
    assert next(reversed(lines)).number == MOST - 1
    assert not decoded, "the newest part was opened already, to count it"
    assert next(iter(lines)).number == 0
    assert len(decoded) == 1


def test_lines_of_another_form_are_refused() -> None:
    others = Latest(Other)
    with pytest.raises(msgspec.ValidationError):
        others.restore(_lines(3).encode())
