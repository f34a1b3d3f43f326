"""What the reconcilers ask for when the world is not as the log says."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFinding:
    """Report something that only a person can judge. Reported once until it is gone."""

    id: UUID
    finding: str
    place_id: UUID
    subject: str
    text: str
    alert_type: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseFindings:
    """These are gone by themselves, or by a person."""

    ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SayAlert:
    """Report what a person, or a tool of theirs, wants to be looked at."""

    id: UUID
    name: str
    text: str
    alert_type: int
    place_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAlertsAway:
    """Take alerts off the list, all of them or none."""

    ids: tuple[UUID, ...]
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepGuest:
    """A guest of ours runs where the log does not have it: report it and remove it."""

    finding_id: UUID
    host_id: UUID
    vm_id: UUID
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepDisk:
    """A disk of ours lies where the log does not have it: report it and remove it."""

    finding_id: UUID
    pool_id: UUID
    volume_id: UUID
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSnapshot:
    """The same of a snapshot."""

    finding_id: UUID
    pool_id: UUID
    snapshot_id: UUID
    text: str
