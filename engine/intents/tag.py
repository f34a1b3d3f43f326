"""What may be asked of tags."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class PutTags(Struct, frozen=True, kw_only=True):
    """Put every tag on every thing, or nothing anywhere.

    `seed` names the new tags. `account_id` and `domain_id` own tags on what nobody owns.
    """

    kind: str
    things: tuple[UUID, ...]
    tags: dict[str, str]
    seed: UUID
    account_id: UUID
    domain_id: UUID
    customer: str = ""


class TakeTags(Struct, frozen=True, kw_only=True):
    """Take tags off things: those of a key, where a value is given only with it; all without."""

    kind: str
    things: tuple[UUID, ...]
    tags: dict[str, str | None] | None = None
