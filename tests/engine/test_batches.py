"""Rows of a checkpoint come in batches, all of them, in their order, sharing what is alike."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest

from aggregates.space import SpaceHeld
from projections.batches import ROWS_A_BATCH, in_batches, of_batches

POOL = UUID(int=7)


@pytest.mark.parametrize("count", [0, 1, ROWS_A_BATCH, 2 * ROWS_A_BATCH + 1])
def test_batches_hold_all_rows_in_order(count: int) -> None:
    rows = [
        SpaceHeld(hold=UUID(int=n), pool_id=POOL, volume_id=UUID(int=n), size_bytes=1 << 30)
        for n in range(count)
    ]
    saved = msgspec.msgpack.encode(in_batches(rows))
    batches = msgspec.msgpack.decode(saved, type=list[msgspec.Raw])
    assert len(batches) == -(-count // ROWS_A_BATCH)
    found = list(of_batches(batches, SpaceHeld))
    assert found == rows
    assert len({id(row.pool_id) for row in found}) == min(count, 1)
    assert len({id(row.size_bytes) for row in found}) == min(count, 1)


def test_other_rows_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        list(of_batches([msgspec.Raw(msgspec.msgpack.encode([{"hold": 1}]))], SpaceHeld))
