"""What goes over the line to a simulator that is a process of its own: frames of MessagePack.

A frame is four bytes of length and then an `Ask` or an `Answer`. Every verb of the contract can be
asked; its arguments are a struct made from its own signature, and so is its answer, so a new verb
of the contract needs no word here. Answers come in any order, each under the id of its question.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec

from drivers.contract.compute import Compute, HostAddress
from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.contract.storage import Storage

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


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of the contract as it goes over the line. One that `changes` nothing has no key."""

    name: str
    arguments: type[msgspec.Struct]
    answer: Any
    parameters: inspect.Signature
    changes: bool

    def pack(self, *args: Any, **kwargs: Any) -> msgspec.Raw:
        """The arguments of a call, given as the caller gave them."""
        bound = self.parameters.bind(*args, **kwargs)
        bound.apply_defaults()
        return msgspec.Raw(encode(self.arguments(**bound.arguments)))

    def unpack(self, arguments: msgspec.Raw) -> inspect.BoundArguments:
        """The arguments as a call takes them."""
        found = msgspec.msgpack.decode(arguments, type=self.arguments)
        return inspect.BoundArguments(
            self.parameters,
            OrderedDict((name, getattr(found, name)) for name in self.arguments.__struct_fields__),
        )


def _verb(name: str, method: Any) -> Verb:
    hints = get_type_hints(method)
    signature = inspect.signature(method)
    parameters = [one for one in signature.parameters.values() if one.name != "self"]
    arguments = msgspec.defstruct(name, [(one.name, hints[one.name]) for one in parameters])
    bare = signature.replace(parameters=parameters)
    return Verb(name, arguments, hints["return"], bare, "key" in hints)


VERBS = {
    name: _verb(name, method)
    for part in (Compute, Storage)
    for name, method in vars(part).items()
    if inspect.iscoroutinefunction(method) and name != "close"
}


class Connect(msgspec.Struct):
    """The argument of `connect`, the one verb that is a driver's and not a session's."""

    address: HostAddress


KINDS = {kind.__name__: kind for kind in (Refused, Unavailable, Unknown)}
_ENCODER = msgspec.msgpack.Encoder()


def encode(value: Any) -> bytes:
    return _ENCODER.encode(value)


NOTHING = msgspec.Raw(encode(None))


def framed(message: Ask | Answer) -> bytes:
    body = encode(message)
    return len(body).to_bytes(_HEAD_BYTES, "big") + body


def failure(answer: Answer) -> DriverError:
    """The driver's error that an answer tells of."""
    return KINDS.get(answer.error, Unknown)(answer.text)


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
