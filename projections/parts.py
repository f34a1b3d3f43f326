"""Many rows as a checkpoint holds them: in parts that are decoded one after the other.

Of each row that is decoded a third is given up at once, for what others hold already. The next part
takes that room; if all were decoded at once, it would lie between the rows for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import msgspec

from projections.shared import share_decoded

R = TypeVar("R", bound=msgspec.Struct)
ROWS_A_PART = 1_000


def in_parts(rows: Iterable[msgspec.Struct]) -> list[msgspec.Raw]:
    """The parts of a checkpoint that hold these rows."""
    left, encode = iter(rows), msgspec.msgpack.Encoder().encode
    parts = iter(lambda: list(islice(left, ROWS_A_PART)), [])
    return [msgspec.Raw(encode(part)) for part in parts]


def of_parts(parts: Iterable[msgspec.Raw], form: type[R]) -> Iterator[R]:
    """The rows of these parts, each sharing what others hold. ValidationError for other rows."""
    decode = msgspec.msgpack.Decoder(list[form]).decode  # type: ignore[valid-type]
    for part in parts:
        for row in decode(part):
            share_decoded(row)
            yield row
