"""One Merkle tree over a whole log (RFC 6962), grown row by row, and the paths that prove a row.

`Tree` keeps only the hashes of the full subtrees, one for each bit of the count, so it can be put
away with a backup and be carried on by the next one. `path` and `climb` are the audit paths of
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


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of one leaf, from the bottom up."""
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*path(leaves[:split], index), root(leaves[split:])]
    return [*path(leaves[split:], index - split), root(leaves[:split])]


def climb(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes | None:
    """The root that leaf `index` of `count` has by this path; None if the path does not fit."""
    if not 0 <= index < count:
        return None
    if count == 1:
        return None if path else leaf
    if not path:
        return None
    split = _split(count)
    if index < split:
        below = climb(leaf, index, split, path[:-1])
        return None if below is None else node(below, path[-1])
    below = climb(leaf, index - split, count - split, path[:-1])
    return None if below is None else node(path[-1], below)


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return int(1 << (count - 1).bit_length() - 1)
