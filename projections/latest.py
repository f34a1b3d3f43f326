"""The latest of many lines, oldest first; those of a checkpoint are decoded when somebody reads.

Fifty thousand lines take a tenth of a start to decode, and three times as much memory as they do
encoded; most are never looked at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from projections.batches import ROWS_A_BATCH, in_batches

L = TypeVar("L", bound=msgspec.Struct)


class Latest(Generic[L]):
    """Lines of one form, in parts that are encoded or not."""

    def __init__(self, form: type[L]) -> None:
        self._decode = msgspec.msgpack.Decoder(list[form]).decode  # type: ignore[valid-type]
        self._parts: deque[deque[L] | bytes] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[L]:
        for at in range(len(self._parts)):
            yield from self._part(at)

    def __reversed__(self) -> Iterator[L]:
        for at in reversed(range(len(self._parts))):
            yield from reversed(self._part(at))

    def append(self, line: L, *, most: int) -> L | None:
        """Add a line, and give the oldest, which is forgotten, once there are more than `most`."""
        if not self._parts or len(self._part(-1)) >= ROWS_A_BATCH:
            self._parts.append(deque())
        self._part(-1).append(line)
        if self._count < most:
            self._count += 1
            return None
        oldest = self._part(0)
        forgotten = oldest.popleft()
        if not oldest:
            self._parts.popleft()
        return forgotten

    def _part(self, at: int) -> deque[L]:
        part = self._parts[at]
        if isinstance(part, bytes):
            part = self._parts[at] = deque(self._decode(part))
        return part

    def encode(self) -> list[msgspec.Raw]:
        """All lines, in parts that do not tell how they came to be."""
        return in_batches(self)

    def restore(self, parts: list[msgspec.Raw]) -> None:
        """Take over what was encoded. ValidationError for lines of another form."""
        self._parts = deque(bytes(part) for part in parts)
        newest = len(self._part(-1)) if parts else 0
        self._count = (len(parts) - 1) * ROWS_A_BATCH + newest if parts else 0
