"""Pure: what a disk is called between engine and driver: its repository and our id in it.

A VDI may be exchanged for another one (a way back, a move), so its uuid is no name for a disk of
ours. A stranger's is: `SR/label@uuid`, where the label is for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from drivers.contract.errors import Refused
from drivers.xapi.marks import Kind

FOLDERS = {Kind.SNAPSHOT: "snapshots", Kind.IMAGE: "images", Kind.KEPT: "kept"}
KINDS = {folder: kind for kind, folder in FOLDERS.items()}


@dataclass(frozen=True, slots=True)
class Named:
    """Of a stranger there is the uuid, of ours the kind and the id."""

    sr_uuid: str
    kind: Kind | None = None
    id: UUID | None = None
    uuid: str = ""


def path_of(sr_uuid: str, kind: Kind, thing: UUID | str) -> str:
    folder = FOLDERS.get(kind)
    return f"{sr_uuid}/{folder}/{thing}" if folder else f"{sr_uuid}/{thing}"


def stranger_path(sr_uuid: str, label: str, uuid: str) -> str:
    return f"{sr_uuid}/{label.replace('/', '_')}@{uuid}"


def read_path(path: str) -> Named:
    """Refused: it is no path that this driver has given."""
    sr_uuid, _, rest = path.partition("/")
    folder, _, name = rest.rpartition("/")
    try:
        if "@" in name:
            return Named(sr_uuid, uuid=str(UUID(name.rpartition("@")[2])))
        return Named(sr_uuid, KINDS.get(folder, Kind.VOLUME), UUID(name))
    except ValueError:
        raise Refused(f"{path!r} names no disk of a XenServer") from None
