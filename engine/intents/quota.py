"""What may be asked of tariffs. Credits are made as any record is."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct


class ReplaceTariff(Struct, frozen=True, kw_only=True):
    """Let another version of a tariff count from its start on, and this one until then."""

    id: UUID
    new_id: UUID
    fields: dict[str, Any]


class EndTariff(Struct, frozen=True, kw_only=True):
    """Let a tariff count no more from this moment on; what it was charged for stays charged."""

    id: UUID
    at_ms: int
