"""What may be asked of what hangs on things: notes, details and icons."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class Annotate(Struct, frozen=True, kw_only=True):
    """Leave a note on a thing."""

    id: UUID
    kind: str
    thing_id: UUID
    text: str
    user_id: UUID
    admins_only: bool = False


class SetDetails(Struct, frozen=True, kw_only=True):
    """Say details of a thing; `seed` names those that are new."""

    kind: str
    thing_id: UUID
    details: dict[str, str]
    is_displayed: bool
    seed: UUID


class TakeDetails(Struct, frozen=True, kw_only=True):
    """Take back a detail of a thing, or with no key all of them."""

    kind: str
    thing_id: UUID
    key: str = ""


class SetIcons(Struct, frozen=True, kw_only=True):
    """Give things an icon, all of them or none; `seed` names those that are new."""

    kind: str
    things: tuple[UUID, ...]
    image: str
    seed: UUID


class TakeIcons(Struct, frozen=True, kw_only=True):
    """Take the icons off things."""

    kind: str
    things: tuple[UUID, ...]
