"""A finding: something in the world that is not as the log says. It stays until it is mended."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from aggregates.base import Aggregate, Event, aggregate, event


class FindingKind(StrEnum):
    """What was found. A stranger is left alone: the log never made it, so it is not ours."""

    DEAD_GUEST = "dead guest"
    ORPHAN_GUEST = "orphan guest"
    STRANGER_GUEST = "stranger guest"
    ORPHAN_DISK = "orphan disk"
    STRANGER_DISK = "stranger disk"
    MISSING_DISK = "missing disk"


@aggregate("finding")
class Finding(Aggregate):
    """`place_id` is the host or pool that it was found on; `subject` the thing's id or name."""

    finding: FindingKind
    place_id: UUID
    subject: str
    text: str


@event("finding.opened", creates=Finding)
class FindingOpened(Event, frozen=True, kw_only=True):
    finding: FindingKind
    place_id: UUID
    subject: str
    text: str


@event("finding.mended", removes=True)
class FindingMended(Event, frozen=True, kw_only=True):
    """It is as the log says again; `how` says who or what saw to it."""

    how: str
