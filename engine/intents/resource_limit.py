"""What may be asked of limits."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class SetLimit(Struct, frozen=True, kw_only=True):
    """Say how much an account or a domain may have; `id` is for the first time that it is said."""

    id: UUID
    owner_kind: str
    owner_id: UUID
    resource: str
    maximum: int
    tag: str = ""
