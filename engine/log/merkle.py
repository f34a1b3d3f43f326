"""The Merkle tree hash of rows, as RFC 6962 (section 2.1) defines it: leaves and nodes differ.

The prefixes 0 and 1 keep a node from being passed off as a leaf. Each field of a row has its
length or a fixed size, so no two rows have the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import sha256

from engine.log.unit import Stored

_HEAD = struct.Struct(">Q16sQI")


def leaf(row: Stored) -> bytes:
    """The hash of one row: position, stream, version, topic and state."""
    topic = row.topic.encode()
    head = _HEAD.pack(row.position, row.stream.bytes, row.version, len(topic))
    return sha256(b"\x00" + head + topic + row.state).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The tree's hash; each split is at the largest power of two below the number of leaves."""
    if not leaves:
        return sha256(b"").digest()
    # Level by level, an odd one moves up: the same tree as the recursive definition.
    level = list(leaves)
    while len(level) > 1:
        pairs = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]
