"""Answers of one view, kept as JSON: those made or asked for lately as they are, others packed.

Answers of one view are much alike, so one of them is the dictionary by which the others are
packed: a guest's 1,800 bytes become 200 or less. Unpacking one takes some microseconds, a tenth of
making it anew.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

Pattern = tuple[str, ...]
Key = tuple[Pattern, Any]

# A window of 8 KiB holds the dictionary and the answer; more would only have to be cleared.
_WINDOW, _LEVEL, _MEMORY = -13, 6, 6
NOBODY = ()


class Packer:
    """Packs what is like a sample."""

    def __init__(self, sample: bytes) -> None:
        self._sample = sample
        self._fresh = zlib.compressobj(
            _LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, sample
        )

    def pack(self, plain: bytes) -> bytes:
        packing = self._fresh.copy()
        return packing.compress(plain) + packing.flush()

    def unpack(self, packed: bytes) -> bytes:
        return zlib.decompressobj(_WINDOW, self._sample).decompress(packed)


class Shelf:
    """The answers of one view for one role type, by the numbers of their rows' ids.

    `own` are the patterns of what each rests on by its row's own id, `rests` what some rest on
    besides: one answer alone stands for itself, None is for more than are worth noting. Several are
    a tuple, as a set takes six times as much.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.ready: dict[int, bytes] = {}
        self.packed: dict[int, bytes] = {}
        self.own: set[Pattern] = set()
        self.rests: dict[Key, int | tuple[int, ...] | None] = {}
        self._packer: Packer | None = None

    def __contains__(self, number: int) -> bool:
        return number in self.ready or number in self.packed

    def pack(self, number: int) -> tuple[int, int]:
        """Keep an answer packed only; by how much that shrinks what is ready, and grows the rest.

        One that has been packed before still is.
        """
        plain = self.ready.pop(number, None)
        if plain is None:
            return 0, 0
        if number in self.packed:
            return len(plain), 0
        if self._packer is None:
            self._packer = Packer(plain)
        packed = self.packed[number] = self._packer.pack(plain)
        return len(plain), len(packed)

    def unpack(self, number: int) -> bytes | None:
        """An answer that is packed; it is packed still."""
        packed = self.packed.get(number)
        if packed is None or self._packer is None:
            return None
        plain = self.ready[number] = self._packer.unpack(packed)
        return plain

    def note(self, key: Key, number: int, most: int) -> None:
        """An answer rests on this, unless more than `most` do already."""
        known = self.rests.get(key, NOBODY)
        if known is None or known == number:
            return
        if known is NOBODY:
            self.rests[key] = number
            return
        several = (known,) if isinstance(known, int) else known
        if number in several:
            return
        self.rests[key] = (*several, number) if len(several) < most else None

    def resting_on(self, key: Key) -> Iterator[int] | None:
        """Those that rest on this by note, and do so no more; None if it is on too many."""
        found = self.rests.pop(key, NOBODY)
        if found is None:
            return None
        return iter((found,) if isinstance(found, int) else found)

    def drop(self, number: int) -> tuple[int, int]:
        """Forget an answer; how much was ready, and how much packed."""
        return len(self.ready.pop(number, b"")), len(self.packed.pop(number, b""))

    def clear(self) -> None:
        self.ready.clear()
        self.packed.clear()
        self.rests.clear()
