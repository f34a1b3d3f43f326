"""Rows of a checkpoint come in parts, all of them, in their order, sharing what is alike."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest

from aggregates.space import SpaceHeld
from projections.parts import ROWS_A_PART, in_parts, of_parts

POOL = UUID(int=7)


@pytest.mark.parametrize("count", [0, 1, ROWS_A_PART, 2 * ROWS_A_PART + 1])
def test_parts_hold_all_rows_in_order(count: int) -> None:
    rows = [
        SpaceHeld(hold=UUID(int=n), pool_id=POOL, volume_id=UUID(int=n), size_bytes=1 << 30)
        for n in range(count)
    ]
    saved = msgspec.msgpack.encode(in_parts(rows))
    parts = msgspec.msgpack.decode(saved, type=list[msgspec.Raw])
    assert len(parts) == -(-count // ROWS_A_PART)
    found = list(of_parts(parts, SpaceHeld))
    assert found == rows
    assert len({id(row.pool_id) for row in found}) == min(count, 1)
    assert len({id(row.size_bytes) for row in found}) == min(count, 1)


def test_other_rows_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        list(of_parts([msgspec.Raw(msgspec.msgpack.encode([{"hold": 1}]))], SpaceHeld))
