"""Many rows as a checkpoint holds them: in batches that are decoded one after the other.

Of each row that is decoded a third is given up at once, for what others hold already. The next
batch takes that room; if all were decoded at once, it would lie between the rows for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import msgspec

from projections.shared import share_decoded

R = TypeVar("R", bound=msgspec.Struct)
ROWS_A_BATCH = 1_000


def in_batches(rows: Iterable[msgspec.Struct]) -> list[msgspec.Raw]:
    """These rows as a checkpoint holds them."""
    left, encode = iter(rows), msgspec.msgpack.Encoder().encode
    batches = iter(lambda: list(islice(left, ROWS_A_BATCH)), [])
    return [msgspec.Raw(encode(batch)) for batch in batches]


def of_batches(batches: Iterable[msgspec.Raw], form: type[R]) -> Iterator[R]:
    """The rows of these batches, each sharing what others hold. ValidationError for other rows."""
    decode = msgspec.msgpack.Decoder(list[form]).decode  # type: ignore[valid-type]
    for batch in batches:
        for row in decode(batch):
            share_decoded(row)
            yield row
