"""What may be asked of hosts in turn: which they are, and the scripts, are settled."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class Scripts(Struct, frozen=True, kw_only=True):
    """An operator's: their folder on the hosts, what they are told, how long each may take."""

    folder: str
    timeout_s: int
    arguments: tuple[str, ...] = ()


class RollHosts(Struct, frozen=True, kw_only=True):
    """Work on these hosts one after the other. `forced` goes on when one of them fails."""

    id: UUID
    host_ids: list[UUID]
    scripts: Scripts
    forced: bool = False


class RollHost(Struct, frozen=True, kw_only=True):
    """Work on one host, as a part of the rolling maintenance `roll_id`."""

    roll_id: UUID
    host_id: UUID
    scripts: Scripts
