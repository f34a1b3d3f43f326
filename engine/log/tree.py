"""One Merkle tree over a whole log (RFC 6962), grown row by row, and the paths that prove a row.

`Tree` keeps only the hashes of the full subtrees, one for each bit of the count, so it can be put
away with a backup and be carried on by the next one. `Stretch` and `climb` are the audit paths of
section 2.1.1: what must be known beside one leaf to come to the root, and the way up.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from engine.log.merkle import root


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Grown(msgspec.Struct, frozen=True):
    """A tree put away: how many leaves, and the full subtrees from the largest down, as hex."""

    count: int = 0
    peaks: tuple[str, ...] = ()


class Tree:
    """A tree to which leaves are added at its right end."""

    def __init__(self, grown: Grown | None = None) -> None:
        kept = grown or Grown()
        self.count = kept.count
        self._peaks = [bytes.fromhex(one) for one in kept.peaks]

    def add(self, leaf: bytes) -> None:
        self.count += 1
        self._peaks.append(leaf)
        # Two full subtrees of one size become one: as carries do in a binary counter.
        count = self.count
        while count % 2 == 0:
            right, left = self._peaks.pop(), self._peaks.pop()
            self._peaks.append(node(left, right))
            count //= 2

    def root(self) -> bytes:
        if not self._peaks:
            return root([])
        whole = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            whole = node(peak, whole)
        return whole

    def copy(self) -> Tree:
        other = Tree()
        other.count, other._peaks = self.count, list(self._peaks)
        return other

    def grown(self) -> Grown:
        return Grown(self.count, tuple(peak.hex() for peak in self._peaks))


class Stretch:
    """All levels of a finished tree, from which each leaf's path is read."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels = [list(leaves)]
        while len(level := self._levels[-1]) > 1:
            pairs = [node(*two) for two in zip(level[::2], level[1::2], strict=False)]
            self._levels.append(pairs + level[len(pairs) * 2 :])

    def root(self) -> bytes:
        return self._levels[-1][0] if self._levels[-1] else root([])

    def path(self, index: int) -> list[bytes]:
        """What must be known beside this leaf to come to the root, from the bottom up."""
        found = []
        for level in self._levels[:-1]:
            if (beside := index ^ 1) < len(level):
                found.append(level[beside])
            index //= 2
        return found


def climb(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes | None:
    """The root that leaf `index` of `count` has by this path; None if the path does not fit."""
    if not 0 <= index < count:
        return None
    here, left = leaf, list(reversed(path))
    while count > 1:
        if index ^ 1 < count:  # Without one beside it, it moves up as it is.
            if not left:
                return None
            beside = left.pop()
            here = node(beside, here) if index % 2 else node(here, beside)
        index, count = index // 2, (count + 1) // 2
    return None if left else here
