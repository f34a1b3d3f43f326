"""Bytes of a checkpoint that nobody decodes when it is read, so that damage would show much later.

A sum in front of them says whether they are whole.
"""

from __future__ import annotations

from zlib import crc32

from msgspec import ValidationError

_SUM = 4


def summed(told: bytes) -> bytes:
    """These bytes behind their sum."""
    return crc32(told).to_bytes(_SUM, "big") + told


def whole(saved: bytes) -> memoryview:
    """What `summed` was given. ValidationError if that is damaged."""
    told = memoryview(saved)[_SUM:]
    if crc32(told).to_bytes(_SUM, "big") != saved[:_SUM]:
        raise ValidationError("it is damaged: its sum is another one")
    return told
