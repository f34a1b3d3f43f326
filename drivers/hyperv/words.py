"""Commands for PowerShell as data: names and typed parameters, never text to be parsed.

A statement is a pipeline of commands; several statements go in one request. What a statement
answers is asked for as JSON, between marks, as PowerShell says nothing at all of an empty list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Cmd:
    """One command. A parameter that is None is a switch; `script` is text that takes parameters."""

    name: str
    parameters: tuple[tuple[str, Any], ...] = ()
    is_script: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """A pipeline. `wants_json`: its answer is a list of objects; else it is told as it is."""

    commands: tuple[Cmd, ...]
    wants_json: bool = False


def cmd(name: str, *switches: str, quiet: bool = False, **parameters: Any) -> Cmd:
    """A command that ends its pipeline when it fails, unless it is `quiet`."""
    given = [*parameters.items(), *((switch, None) for switch in switches)]
    given.append(("ErrorAction", "SilentlyContinue" if quiet else "Stop"))
    return Cmd(name, tuple(given))


def do(*commands: Cmd) -> Statement:
    """Do it, and say nothing."""
    return Statement((*commands, Cmd("Out-Null")))


def tell(*commands: Cmd) -> Statement:
    """Say what comes out as it is."""
    return Statement(commands)


def ask(*commands: Cmd, properties: Iterable[str], depth: int = 3) -> Statement:
    """Say these properties of all objects that come out."""
    picked = Cmd("Select-Object", (("Property", list(properties)),))
    said = Cmd("ConvertTo-Json", (("Depth", depth), ("Compress", None)))
    return Statement((*commands, picked, said), wants_json=True)


def script(text: str, **parameters: Any) -> Statement:
    return Statement((Cmd(text, tuple(parameters.items()), is_script=True),))


def objects(told: list[Any]) -> list[dict[str, Any]]:
    """What `ask` was answered: no text for nothing, an object for one, a list for more."""
    if not told or not told[0]:
        return []
    found = json.loads(told[0])
    return found if isinstance(found, list) else [found]
