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
    TOO_FULL = "too full"
    SAID = "said by a person"


class Shelf(StrEnum):
    """Where alerts about it are: shown, or put away by a person."""

    SHOWN = ""
    ARCHIVED = "archived"
    DELETED = "deleted"


@aggregate("finding")
class Finding(Aggregate):
    """`place_id` is the host or pool that it was found on; `subject` the thing's id or name.

    What a person said is about a zone, a pod or just itself, and says its own type of alert.
    """

    finding: FindingKind
    place_id: UUID
    subject: str
    text: str
    alert_type: int | None = None
    shelf: Shelf = Shelf.SHOWN


@event("finding.opened", creates=Finding)
class FindingOpened(Event, frozen=True, kw_only=True):
    finding: FindingKind
    place_id: UUID
    subject: str
    text: str
    alert_type: int | None = None


@event("finding.put_away")
class FindingPutAway(Event, frozen=True, kw_only=True):
    """A person has seen it. What is found stays known until it is mended."""

    shelf: Shelf


@event("finding.mended", removes=True)
class FindingMended(Event, frozen=True, kw_only=True):
    """It is as the log says again; `how` says who or what saw to it."""

    how: str
