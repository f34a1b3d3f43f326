"""What goes over the line to a simulator that is a process of its own: frames of MessagePack.

A frame is four bytes of length and then an `Ask` or an `Answer`. Every verb of the contract can be
asked; its arguments are a struct made from its own signature, and so is its answer, so a new verb
of the contract needs no word here. Answers come in any order, each under the id of its question.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from drivers.contract.compute import HostAddress
from drivers.contract.errors import DriverError, Unknown
from drivers.kit.verbs import ERRORS

FRAME_MAX_BYTES = 64 * 1024**2
_HEAD_BYTES = 4
CONNECT = "connect"
# Asks for nothing: whoever asked under this id has given up, as a driver's verb is cancelled.
CANCEL = "cancel"


class Ask(msgspec.Struct, array_like=True):
    """`url` is the host that is asked."""

    id: int
    verb: str
    url: str
    arguments: msgspec.Raw


class Answer(msgspec.Struct, array_like=True):
    """`error` is the name of the driver's error, or empty, and then there is a `value`."""

    id: int
    error: str
    text: str
    value: msgspec.Raw


class Connect(msgspec.Struct):
    """The argument of `connect`, the one verb that is a driver's and not a session's."""

    address: HostAddress


_ENCODER = msgspec.msgpack.Encoder()


def encode(value: Any) -> bytes:
    return _ENCODER.encode(value)


NOTHING = msgspec.Raw(encode(None))


def framed(message: Ask | Answer) -> bytes:
    body = encode(message)
    return len(body).to_bytes(_HEAD_BYTES, "big") + body


def failure(answer: Answer) -> DriverError:
    """The driver's error that an answer tells of."""
    return ERRORS.get(answer.error, Unknown)(answer.text)


class Frames:
    """Cuts a stream of bytes into the bodies of its frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies that are whole by now; a frame that is too long is a `ValueError`."""
        self._rest += data
        while len(self._rest) >= _HEAD_BYTES:
            size_bytes = int.from_bytes(self._rest[:_HEAD_BYTES], "big")
            if size_bytes > FRAME_MAX_BYTES:
                raise ValueError(f"a frame of {size_bytes} bytes: this is no simulator's line")
            end = _HEAD_BYTES + size_bytes
            if len(self._rest) < end:
                return
            body = bytes(self._rest[_HEAD_BYTES:end])
            del self._rest[:end]
            yield body
