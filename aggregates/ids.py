"""Ids that are made of a name, by chance, and in order: the library's, in a third of the time.

RFC 9562, versions 5, 4 and 7. A deploy makes some twenty, and `uuid.UUID` spends most of its time
on finding out in which of six ways it was called.
"""

from __future__ import annotations

import os
from hashlib import sha1
from uuid import UUID

import msgspec

# Sixteen bytes as MessagePack has them, which its decoder makes a UUID of without a detour.
_HEAD = b"\xc4\x10"
_made = msgspec.msgpack.Decoder(UUID).decode
_text = msgspec.json.Encoder().encode
_NAMED = [bytes([0x50 | number & 0x0F]) for number in range(256)]
_CHANCE = [bytes([0x40 | number & 0x0F]) for number in range(256)]
_TIMED = [bytes([0x70 | number & 0x0F]) for number in range(256)]
_VARIANT = [bytes([0x80 | number & 0x3F]) for number in range(256)]
# The system's chance for the next ids: to ask for it lends the interpreter to another thread each
# time, and the loop then waits for it as long as that thread likes.
_ASKED_BYTES = 4096
_chances: list[bytes] = []


def uuid5(namespace: UUID, name: str) -> UUID:
    """The id of a name within a namespace, the same for everybody."""
    found = sha1(namespace.bytes + name.encode(), usedforsecurity=False).digest()
    return _made(
        _HEAD + found[:6] + _NAMED[found[6]] + found[7:8] + _VARIANT[found[8]] + found[9:16]
    )


def uuid4() -> UUID:
    """An id that nobody has, by the system's own chance."""
    try:
        found = _chances.pop()
    except IndexError:
        more = os.urandom(_ASKED_BYTES)
        _chances.extend(more[at : at + 16] for at in range(16, _ASKED_BYTES, 16))
        found = more[:16]
    return _made(
        _HEAD + found[:6] + _CHANCE[found[6]] + found[7:8] + _VARIANT[found[8]] + found[9:16]
    )


# Parent and child of a fork must not go on with the same chance.
os.register_at_fork(after_in_child=_chances.clear)


def in_order(at_ms: int, chance: UUID) -> UUID:
    """The time, and then chance: ids that were made one after the other sort like that.

    What has many rows in the log goes by such ids: rows that are written together then lie
    together in the index of streams, and a commit writes few of its pages. Where people or
    hypervisors know something by the first digits of its id, it needs one by chance alone.
    """
    rest = chance.bytes
    return _made(_HEAD + at_ms.to_bytes(6, "big") + _TIMED[rest[6]] + rest[7:])


def text_of(one: UUID) -> bytes:
    """The id as text, in ASCII, in a third of the time that the library takes."""
    return _text(one)[1:-1]


def id_of(raw: bytes) -> UUID:
    """The id of these sixteen bytes."""
    return _made(_HEAD + raw)


def id_numbered(number: int) -> UUID:
    """The id of this number, which has 128 bits."""
    return _made(_HEAD + number.to_bytes(16, "big"))
