"""Pure: how the controller's ids are kept on XAPI's objects, in their `other_config`.

Clones and snapshots take over their source's `other_config`, so a mark names nobody unless it also
says the uuid of the very object that it is on. An object that is still being made has no such
line yet. Of two disks of one id that with the higher generation counts: a disk that goes back to
what was kept is exchanged for another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

PREFIX = "sagastack-"
IS, ID, SELF = f"{PREFIX}is", f"{PREFIX}id", f"{PREFIX}self"
BASE, GENERATION, KEY = f"{PREFIX}base", f"{PREFIX}generation", f"{PREFIX}key"
OF = f"{PREFIX}of"
RESTS, REBOOTED, TOLD = f"{PREFIX}rests", f"{PREFIX}rebooted", f"{PREFIX}told"
VOLUME, NIC = f"{PREFIX}volume", f"{PREFIX}nic"
NOTE = f"{PREFIX}note"

Record = Mapping[str, Any]
NULL = "OpaqueRef:NULL"
NULLS = (NULL, "", None, "OpaqueRef:0")


class Kind(StrEnum):
    """What an object of ours is. `KEPT` is a disk as a snapshot of its whole guest has it."""

    GUEST = "guest"
    VOLUME = "volume"
    SNAPSHOT = "snapshot"
    IMAGE = "image"
    CONFIG = "config"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Mark:
    kind: Kind
    id: UUID
    base: str = ""
    generation: int = 0
    of: str = ""


def mark(
    kind: Kind, thing: UUID, uuid: str, *, base: str = "", generation: int = 0, of: str = ""
) -> dict[str, str]:
    """The lines of an object of ours; with an empty uuid it is one that is being made."""
    lines = {IS: str(kind), ID: str(thing), SELF: uuid, BASE: base, OF: of}
    if generation:
        lines[GENERATION] = str(generation)
    return {name: value for name, value in lines.items() if value}


def read(record: Record) -> Mark | None:
    """What an object is to us; None for a stranger, a copy, and what is not whole yet."""
    lines = record["other_config"]
    if lines.get(SELF) != record["uuid"]:
        return None
    return _parsed(lines)


def meant(record: Record) -> Mark | None:
    """What an object is being made for, or what it is a copy of."""
    return _parsed(record["other_config"])


def is_unfinished(record: Record, kind: Kind, thing: UUID) -> bool:
    """It was being made to be this, and never became it."""
    lines = record["other_config"]
    return SELF not in lines and (lines.get(IS), lines.get(ID)) == (str(kind), str(thing))


def without(lines: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in lines.items() if not name.startswith(PREFIX)}


def _parsed(lines: Mapping[str, str]) -> Mark | None:
    try:
        return Mark(
            Kind(lines[IS]),
            UUID(lines[ID]),
            lines.get(BASE, ""),
            int(lines.get(GENERATION, "0")),
            lines.get(OF, ""),
        )
    except (KeyError, ValueError):
        return None
