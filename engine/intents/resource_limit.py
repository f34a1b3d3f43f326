"""What may be asked of limits."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLimit:
    """Say how much an account or a domain may have; `id` is for the first time that it is said."""

    id: UUID
    owner_kind: str
    owner_id: UUID
    resource: str
    maximum: int
    tag: str = ""
