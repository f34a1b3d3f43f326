"""What may be asked of what hangs on things: notes, details and icons."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotate:
    """Leave a note on a thing."""

    id: UUID
    kind: str
    thing_id: UUID
    text: str
    user_id: UUID
    admins_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDetails:
    """Say details of a thing; `seed` names those that are new."""

    kind: str
    thing_id: UUID
    details: dict[str, str]
    is_displayed: bool
    seed: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeDetails:
    """Take back a detail of a thing, or with no key all of them."""

    kind: str
    thing_id: UUID
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetIcons:
    """Give things an icon, all of them or none; `seed` names those that are new."""

    kind: str
    things: tuple[UUID, ...]
    image: str
    seed: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeIcons:
    """Take the icons off things."""

    kind: str
    things: tuple[UUID, ...]
