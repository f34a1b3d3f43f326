"""Packs what nobody looks at, a few rows in a turn of the loop (see `projections.cold`).

A hundred rows hold the loop for half a millisecond, as one decision does. After a start there are
as many rows to pack as there are; later only those that deploys and lists have made objects.
"""

from __future__ import annotations

from engine.clock import Clock
from projections.cloud import Cloud

ROWS_A_PIECE = 100
BETWEEN_PIECES_S = 0.005
"""A tenth of one processor, while there is something to pack."""
REST_S = 1.0


async def keep_cool(cloud: Cloud, clock: Clock) -> None:
    """Pack what may be packed, piece by piece, for ever."""
    while True:
        packed = cloud.cool(ROWS_A_PIECE)
        await clock.sleep(BETWEEN_PIECES_S if packed else REST_S)
