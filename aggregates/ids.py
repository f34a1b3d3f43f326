"""Ids that are made of a name, and ids by chance: those of the library, in a third of the time.

RFC 9562, versions 5 and 4. A deploy makes some twenty, and `uuid.UUID` spends most of its time on
finding out in which of six ways it was called.
"""

from __future__ import annotations

from hashlib import sha1
from os import urandom
from uuid import UUID

import msgspec

# Sixteen bytes as MessagePack has them, which its decoder makes a UUID of without a detour.
_HEAD = b"\xc4\x10"
_made = msgspec.msgpack.Decoder(UUID).decode
_NAMED = [bytes([0x50 | number & 0x0F]) for number in range(256)]
_CHANCE = [bytes([0x40 | number & 0x0F]) for number in range(256)]
_VARIANT = [bytes([0x80 | number & 0x3F]) for number in range(256)]


def uuid5(namespace: UUID, name: str) -> UUID:
    """The id of a name within a namespace, the same for everybody."""
    found = sha1(namespace.bytes + name.encode(), usedforsecurity=False).digest()
    return _made(
        _HEAD + found[:6] + _NAMED[found[6]] + found[7:8] + _VARIANT[found[8]] + found[9:16]
    )


def uuid4() -> UUID:
    """An id that nobody has, by the system's own chance."""
    found = urandom(16)
    return _made(
        _HEAD + found[:6] + _CHANCE[found[6]] + found[7:8] + _VARIANT[found[8]] + found[9:16]
    )
