"""A PowerShell that knows commands and no variables: pipelines of cmdlets with typed parameters.

A cmdlet is a function with a table of its parameters. A name may be shortened as far as it stays
unambiguous, an unknown one fails as in PowerShell, a value is converted to the parameter's type or
refused. `script` runs the small language in which files are carried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.peers.hyperv import script
from tests.peers.hyperv.values import Enum, Failure, Record

# Of every cmdlet.
COMMON = ("ErrorAction", "WarningAction", "Confirm", "Verbose", "WhatIf")


@dataclass(frozen=True)
class Command:
    name: str
    is_script: bool
    arguments: list[tuple[str, Any]]


@dataclass(frozen=True)
class Call:
    """A cmdlet's parameters as they were bound, names in lower case, and what is piped into it."""

    host: Any
    given: dict[str, Any]
    piped: list[Any] = field(default_factory=list)

    def get(self, name: str, default: Any = None) -> Any:
        return self.given.get(name.lower(), default)

    def has(self, name: str) -> bool:
        return name.lower() in self.given


Body = Callable[[Call], Iterator[Any]]


@dataclass(frozen=True)
class Cmdlet:
    name: str
    parameters: dict[str, str]
    needs: tuple[str, ...]
    body: Body


CMDLETS: dict[str, Cmdlet] = {}


def cmdlet(name: str, needs: str = "", **parameters: str) -> Callable[[Body], Body]:
    """`needs` are the parameters that must be given; the others are named with their types."""

    def register(body: Body) -> Body:
        CMDLETS[name.lower()] = Cmdlet(name, parameters, tuple(needs.split()), body)
        return body

    return register


class Interpreter:
    """Runs pipelines for one host."""

    def __init__(self, host: Any) -> None:
        self._host = host

    def run(
        self, commands: list[Command], inputs: list[Any], complain: Callable[[Failure], None]
    ) -> Iterator[Any]:
        flow = list(inputs)
        for command in commands:
            if command.is_script:
                flow = script.run(command.name, command.arguments, self._host)
                continue
            known = CMDLETS.get(command.name.lower())
            if known is None:
                raise Failure(
                    f"The term '{command.name}' is not recognized as the name of a cmdlet, "
                    "function, script file, or operable program.",
                    "CommandNotFoundException",
                    category="ObjectNotFound",
                    kind="CommandNotFoundException",
                )
            self._host.log.append(known.name)
            given = bind(known, command.arguments)
            quiet = str(given.get("erroraction", "")).lower() in ("silentlycontinue", "ignore")
            try:
                self._host.before(known.name)
                flow = list(known.body(Call(self._host, given, flow)))
            except Failure as failure:
                if not quiet:
                    complain(failure)
                flow = []
        yield from flow


def bind(known: Cmdlet, arguments: list[tuple[str, Any]]) -> dict[str, Any]:
    names = {name.lower(): name for name in (*known.parameters, *COMMON)}
    given: dict[str, Any] = {}
    for name, value in arguments:
        found = name.lower().lstrip("-").rstrip(":")
        fits = [found] if found in names else [one for one in names if one.startswith(found)]
        if not name or len(fits) != 1:
            said = "ambiguous" if len(fits) > 1 else "not found"
            raise _binding(f"A parameter matching '{name}' is {said}.", "NamedParameterNotFound")
        kind = known.parameters.get(names[fits[0]], "str")
        given[fits[0]] = convert(names[fits[0]], kind, value)
    for name in known.needs:
        if name.lower() not in given:
            text = f"Cannot process command because of missing mandatory parameters: {name}."
            raise _binding(text, f"MissingMandatoryParameter,{known.name}")
    return given


def convert(name: str, kind: str, value: Any) -> Any:
    """`kind` is a type, `type*` for an array of it, or the words that are allowed, by `|`."""
    if kind.endswith("*"):
        many = value if isinstance(value, list) else [value]
        return [convert(name, kind[:-1], one) for one in many]
    try:
        return _converted(kind, value)
    except (ValueError, TypeError, AttributeError):
        raise _binding(
            f'Cannot bind parameter \'{name}\'. Cannot convert value "{value}" to type "{kind}".',
            "CannotConvertArgumentNoMessage",
        ) from None


def _converted(kind: str, value: Any) -> Any:
    if kind == "switch":
        return True if value is None else _truth(value)
    if kind == "bool":
        return _truth(value)
    if kind == "int":
        return int(value)
    if kind == "uuid":
        return value if isinstance(value, UUID) else UUID(str(value))
    if kind in ("str", "obj") and value is None:
        return ""
    if kind == "str":
        if not isinstance(value, str | int | float | UUID):
            raise TypeError
        return str(value)
    if "|" in kind:
        for word in kind.split("|"):
            if word.lower() == str(value).lower():
                return word
        raise ValueError
    if kind == "hash" and not isinstance(value, dict):
        raise TypeError
    return value


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value != 0
    raise TypeError


def _binding(message: str, error_id: str) -> Failure:
    return Failure(message, error_id, category="InvalidArgument", kind="ParameterBindingException")


def fields_of(value: Any) -> dict[str, Any]:
    if isinstance(value, Record):
        return value.fields
    return {"Length": len(value)} if isinstance(value, str | bytes) else {}


def json_of(value: Any, depth: int) -> Any:
    """What ConvertTo-Json makes of a value in Windows PowerShell 5.1."""
    if isinstance(value, Enum):
        return value.number
    if isinstance(value, UUID):
        return str(value)
    if hasattr(value, "json"):
        return value.json()
    if isinstance(value, Record):
        if depth < 0:
            return str(value.of or "")
        return {key: json_of(one, depth - 1) for key, one in value.fields.items()}
    if isinstance(value, list):
        return [json_of(one, depth - 1) for one in value]
    return value
