"""One address space as bytes: a byte a number says taken or free, an array its stream's version.

The lowest free number is one `bytearray.find` away. The bytes reach only as far as numbers were
ever touched, so that a space of 2**32 MAC addresses costs no more than those in use; a number
asked for far beyond (`WINDOW`) is kept by itself, and so is the past of a number that the range,
once wider, no longer has.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import msgspec
import numpy as np

from aggregates.address import AddressSpaceCreated

WINDOW = 1 << 20
# Several controllers look for free numbers in different places, so as not to choose the same.
LANES, LANE = 16, 4_096
_FREE, _TAKEN = b"\x00", 1
_SAVED = np.dtype("<u4")


class SavedNumbers(msgspec.Struct, frozen=True, array_like=True):
    """The numbers of a range as a checkpoint holds them, by their offsets: columns of those that
    its bytes reach, and those beyond. `versions` are those of what was ever `touched`."""

    taken: bytes
    touched: bytes
    versions: bytes
    far_taken: list[int]
    far: list[tuple[int, int]]


class AddressRange:
    """The numbers of one space. Offsets count from its first number."""

    def __init__(self, space: AddressSpaceCreated) -> None:
        self.space = space
        self.taken_count = 0
        self._taken = bytearray()
        self._versions = array("I")
        self._far: dict[int, int] = {}
        self._far_taken: set[int] = set()
        self._lowest = 0
        for number in space.reserved:
            if number in self:
                self.take(number)

    def __contains__(self, number: int) -> bool:
        return self.space.first <= number <= self.space.last

    @property
    def free_count(self) -> int:
        return self.space.last - self.space.first + 1 - self.taken_count

    def is_taken(self, number: int) -> bool:
        """Whether somebody has it, is promised it, or it is reserved."""
        offset = number - self.space.first
        if 0 <= offset < len(self._taken):
            return self._taken[offset] == _TAKEN
        return offset in self._far_taken

    def lowest_free(self) -> int | None:
        """The lowest number that nobody has, or None when the space is full."""
        found = self._taken.find(_FREE, self._lowest)
        if found < 0:
            found = max(len(self._taken), self._lowest)
            while found in self._far_taken:
                found += 1
        self._lowest = found
        number = self.space.first + found
        return number if number <= self.space.last else None

    def free_in_lane(self, lane: int) -> int | None:
        """The lowest free number of a lane and those behind it; the lowest of all if none is."""
        if not lane:
            return self.lowest_free()
        size = self.space.last - self.space.first + 1
        found = lane * min(LANE, size // LANES)
        if found < len(self._taken):
            found = self._taken.find(_FREE, found)
            found = len(self._taken) if found < 0 else found
        while found in self._far_taken:
            found += 1
        return self.space.first + found if found < size else self.lowest_free()

    def take(self, number: int) -> None:
        """Mark a number that is free."""
        offset = number - self.space.first
        if 0 <= offset < len(self._taken) or self._reach(offset):
            self._taken[offset] = _TAKEN
        else:
            self._far_taken.add(offset)
        self.taken_count += 1

    def free(self, number: int) -> None:
        """Mark a number that is taken."""
        offset = number - self.space.first
        if 0 <= offset < len(self._taken):
            self._taken[offset] = 0
        else:
            self._far_taken.remove(offset)
        self._lowest = min(self._lowest, offset)
        self.taken_count -= 1

    def version(self, number: int) -> int:
        """The version of this number's stream: 0 for a number that nobody ever had."""
        offset = number - self.space.first
        if 0 <= offset < len(self._versions):
            return self._versions[offset]
        return self._far.get(offset, 0)

    def set_version(self, number: int, version: int) -> None:
        offset = number - self.space.first
        if 0 <= offset < len(self._versions) or self._reach(offset):
            self._versions[offset] = version
        else:
            self._far[offset] = version

    def saved(self, without: Iterable[int]) -> SavedNumbers:
        """What its numbers are, but that these are free: it does not tell how far bytes reach."""
        first = self.space.first
        taken, far = bytearray(self._taken), set(self._far_taken)
        for number in without:
            offset = number - first
            if 0 <= offset < len(taken):
                taken[offset] = 0
            else:
                far.discard(offset)
        versions = np.frombuffer(self._versions, np.uint32)
        touched = np.flatnonzero(versions)
        return SavedNumbers(
            np.flatnonzero(taken).astype(_SAVED).tobytes(),
            touched.astype(_SAVED).tobytes(),
            versions[touched].astype(_SAVED).tobytes(),
            sorted(far),
            sorted(self._far.items()),
        )

    def restore(self, saved: SavedNumbers) -> None:
        """Have these numbers taken, and no others."""
        near = np.frombuffer(saved.taken, _SAVED)
        touched = np.frombuffer(saved.touched, _SAVED)
        for column in (near, touched):
            if len(column):
                self._reach(int(column[-1]))
        taken = np.zeros(len(self._taken), np.uint8)
        versions = np.zeros(len(self._taken), np.uint32)
        taken[near], versions[touched] = _TAKEN, np.frombuffer(saved.versions, _SAVED)
        self._taken, self._versions = bytearray(taken), array("I", versions.tobytes())
        self._far_taken, self._far = set(saved.far_taken), dict(saved.far)
        self.taken_count = len(near) + len(self._far_taken)
        self._lowest = 0

    def touched(self) -> list[tuple[int, int]]:
        """Each number that ever had an event, in order, with the version of its stream."""
        near = [(offset, version) for offset, version in enumerate(self._versions) if version]
        first = self.space.first
        return sorted((first + offset, version) for offset, version in [*near, *self._far.items()])

    def taken_numbers(self) -> list[int]:
        """Every number that is taken, in order."""
        near = [offset for offset, one in enumerate(self._taken) if one]
        return sorted(self.space.first + offset for offset in [*near, *self._far_taken])

    def _reach(self, offset: int) -> bool:
        """Make the bytes reach `offset`; False when it lies too far out, or out of the range."""
        have, limit = len(self._taken), min(WINDOW, self.space.last - self.space.first + 1)
        if not 0 <= offset < limit:
            return False
        if offset < have:
            return True
        grown = min(max(offset + 1, 2 * have, 256), limit)
        self._taken.extend(bytes(grown - have))
        self._versions.frombytes(bytes((grown - have) * self._versions.itemsize))
        return True
