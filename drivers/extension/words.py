"""What goes over a program's pipes: one JSON object a line.

    {"id": 7, "verb": "stop_guest", "host": {"url": ...}, "arguments": {"guest_id": ..., ...}}
    {"id": 7, "progress": 40, "text": "flushing"}         any number of times, or never
    {"id": 7, "value": null}     or     {"id": 7, "error": "Unavailable", "text": "disk full"}

Arguments and values are the contract's dataclasses by the names of their fields; ids are text and
bytes are Base64. Every verb of the contract can be asked, as its own signature has it.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec

from drivers.contract.compute import Compute, HostAddress
from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.contract.storage import Storage

ERRORS: dict[str, type[DriverError]] = {
    kind.__name__: kind for kind in (Refused, Unavailable, Unknown)
}


class Ask(msgspec.Struct, omit_defaults=True):
    """`cancel` says that nobody waits for the answer any more; the program may go on or not."""

    id: int
    verb: str = ""
    host: HostAddress | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"{}")
    cancel: bool = False


class Answer(msgspec.Struct):
    """`progress` is no answer yet, but says that there will be one."""

    id: int
    value: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    text: str = ""
    progress: int | None = None


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of the contract. One without a key changes nothing."""

    name: str
    arguments: type[msgspec.Struct]
    answer: Any
    parameters: inspect.Signature
    changes: bool

    def pack(self, *args: Any, **kwargs: Any) -> msgspec.Raw:
        """The arguments of a call, given as the caller gave them."""
        bound = self.parameters.bind(*args, **kwargs)
        bound.apply_defaults()
        return msgspec.Raw(msgspec.json.encode(self.arguments(**bound.arguments)))


def _verb(name: str, method: Any) -> Verb:
    hints, signature = get_type_hints(method), inspect.signature(method)
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
