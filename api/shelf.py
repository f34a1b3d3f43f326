"""Answers of one view, kept as JSON: those made or asked for lately as they are, others packed.

Answers of one view are much alike, so one of them is the dictionary by which the others are
packed: a guest's 1,800 bytes become 200 or less. Unpacking one takes some microseconds, a tenth of
making it anew.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

from api.declare import View
from api.reads import Common, Key, Pattern

# A window of 8 KiB holds the dictionary and the answer; more would only have to be cleared.
_WINDOW, _LEVEL, _MEMORY = -13, 6, 6
SEVERAL = 8
NOBODY: tuple[int, ...] = ()
Resting = int | tuple[int, ...] | Common | None


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
    besides: one answer alone stands for itself, few are a tuple, as a set takes six times as much.
    Of a row that several show it is known what they show of it. None are more than are worth
    noting.

    `late` is what an answer that is ready shows of measurements, `wire` how fields are called.
    """

    def __init__(self, view: type[View], role_type: str) -> None:
        self.view, self.role_type = view, role_type
        self.wire = {field.attr: field.wire for field in view.FIELDS}
        self.ready: dict[int, bytes] = {}
        self.packed: dict[int, bytes] = {}
        self.late: dict[int, bytes] = {}
        self.own: set[Pattern] = set()
        self.rests: dict[Key, Resting] = {}
        self._packer: Packer | None = None

    def __contains__(self, number: int) -> bool:
        return number in self.ready or number in self.packed

    def has_all(self, numbers: Sequence[int]) -> bool:
        """Are all of these kept?"""
        return all(number in self for number in numbers)

    def pack(self, number: int) -> tuple[int, int]:
        """Keep an answer packed only; by how much that shrinks what is ready, and grows the rest.

        One that has been packed before still is.
        """
        self.late.pop(number, None)
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

    def note(self, key: Key, number: int, most: int) -> Sequence[int]:
        """An answer rests on this. Empty, or all that do, if they have just become several."""
        known = self.rests.get(key, NOBODY)
        if known is NOBODY:
            self.rests[key] = number
            return NOBODY
        before = _numbers(known)
        if before is None or number in before:
            return NOBODY
        numbers = (*before, number)
        noted = numbers if len(numbers) <= most else None
        if isinstance(known, Common):
            known.numbers = noted
            return NOBODY
        self.rests[key] = noted
        return numbers if len(numbers) == SEVERAL else NOBODY

    def resting_on(self, key: Key) -> Iterable[int] | None:
        """Something changed: those that rest on it by note, and do so no more; none if they all
        show it as it still is; None if it is on too many."""
        found = self.rests.get(key, NOBODY)
        if found is NOBODY or (isinstance(found, Common) and found.still_holds()):
            return NOBODY
        del self.rests[key]
        return _numbers(found)

    def drop(self, number: int) -> tuple[int, int]:
        """Forget an answer; how much was ready, and how much packed."""
        self.late.pop(number, None)
        return len(self.ready.pop(number, b"")), len(self.packed.pop(number, b""))

    def clear(self) -> None:
        for kept in (self.ready, self.packed, self.late, self.rests):
            kept.clear()


def _numbers(resting: Resting) -> tuple[int, ...] | None:
    if isinstance(resting, int):
        return (resting,)
    return resting.numbers if isinstance(resting, Common) else resting
