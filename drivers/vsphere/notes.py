"""What the controller must find again on a virtual machine: one key of its extra configuration.

It is in the machine's own file, so it moves, restarts and is registered anew along with it. A copy
of the machine (a clone made by hand) names another machine's instance UUID and is nobody's.

`disks` say which volume is at which slot (controller:unit), and its path as the controller knows
it: the real file may be a snapshot's or, after a storage vMotion, one in the machine's folder.
`away` are disks that were let go of and are yet to be brought to their paths.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

KEY = "sagastack.guest"
PATH = f'config.extraConfig["{KEY}"].value'


class HeldDisk(msgspec.Struct, frozen=True):
    path: str
    slot: str


class Note(msgspec.Struct, frozen=True):
    """`parked`: off, and kept only for the snapshots that it holds; nobody's guest meanwhile."""

    guest: UUID
    key: UUID | None = None
    parked: bool = False
    disks: dict[UUID, HeldDisk] = {}
    nics: dict[UUID, str] = {}
    away: dict[str, str] = {}
    cpu_max: int = 0
    memory_max_mib: int = 0
    rebooted: UUID | None = None
    before: str = ""

    def text(self) -> str:
        return msgspec.json.encode(self).decode()


def read(text: object) -> Note | None:
    """None for a machine that no controller made, or whose note a hand has broken."""
    if not isinstance(text, str) or not text:
        return None
    try:
        return msgspec.json.decode(text, type=Note)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
