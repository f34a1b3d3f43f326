"""What may be asked of tags."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTags:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeTags:
    """Take tags off things: those of a key, where a value is given only with it; all without."""

    kind: str
    things: tuple[UUID, ...]
    tags: dict[str, str | None] | None = None
