"""The contract's verbs as data, for drivers whose other half is another process.

Arguments and answers are the contract's own dataclasses; how they are written down is the line's
business. A verb that is added to the contract goes over every line with no word about it here.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec

from drivers.contract.compute import Compute
from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.contract.routing import Routing
from drivers.contract.storage import Storage

ERRORS: dict[str, type[DriverError]] = {
    kind.__name__: kind for kind in (Refused, Unavailable, Unknown)
}


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb as its signature has it. One that `changes` nothing has no key."""

    name: str
    arguments: type[msgspec.Struct]
    answer: Any
    parameters: inspect.Signature
    changes: bool

    def bind(self, *args: Any, **kwargs: Any) -> msgspec.Struct:
        """The arguments of a call, given as the caller gave them."""
        bound = self.parameters.bind(*args, **kwargs)
        bound.apply_defaults()
        return self.arguments(**bound.arguments)

    def taken(self, arguments: msgspec.Struct) -> inspect.BoundArguments:
        """The same as a call takes them."""
        names = self.arguments.__struct_fields__
        return inspect.BoundArguments(
            self.parameters, OrderedDict((name, getattr(arguments, name)) for name in names)
        )


def _verb(name: str, method: Any) -> Verb:
    hints, signature = get_type_hints(method), inspect.signature(method)
    parameters = [one for one in signature.parameters.values() if one.name != "self"]
    arguments = msgspec.defstruct(name, [(one.name, hints[one.name]) for one in parameters])
    bare = signature.replace(parameters=parameters)
    return Verb(name, arguments, hints["return"], bare, "key" in hints)


VERBS = {
    name: _verb(name, method)
    for part in (Compute, Storage, Routing)
    for name, method in vars(part).items()
    if inspect.iscoroutinefunction(method) and name != "close"
}
