"""What may be asked about offerings of any kind."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class DeleteOffering(Struct, frozen=True, kw_only=True):
    """Delete an offering of `kind`. One that is in use stays, inactive, for those who use it."""

    kind: str
    id: UUID
