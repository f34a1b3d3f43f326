"""What the reconcilers ask for when the world is not as the log says."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class OpenFinding(Struct, frozen=True, kw_only=True):
    """Report something that only a person can judge. Reported once until it is gone."""

    id: UUID
    finding: str
    place_id: UUID
    subject: str
    text: str
    alert_type: int | None = None


class CloseFindings(Struct, frozen=True, kw_only=True):
    """These are gone by themselves, or by a person."""

    ids: tuple[UUID, ...]


class SayAlert(Struct, frozen=True, kw_only=True):
    """Report what a person, or a tool of theirs, wants to be looked at."""

    id: UUID
    name: str
    text: str
    alert_type: int
    place_id: UUID | None = None


class PutAlertsAway(Struct, frozen=True, kw_only=True):
    """Take alerts off the list, all of them or none."""

    ids: tuple[UUID, ...]
    deleted: bool = False


class SweepGuest(Struct, frozen=True, kw_only=True):
    """A guest of ours runs where the log does not have it: report it and remove it."""

    finding_id: UUID
    host_id: UUID
    vm_id: UUID
    text: str


class SweepDisk(Struct, frozen=True, kw_only=True):
    """A disk of ours lies where the log does not have it: report it and remove it."""

    finding_id: UUID
    pool_id: UUID
    volume_id: UUID
    text: str


class SweepSnapshot(Struct, frozen=True, kw_only=True):
    """The same of a snapshot."""

    finding_id: UUID
    pool_id: UUID
    snapshot_id: UUID
    text: str
