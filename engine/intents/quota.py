"""What may be asked of tariffs. Credits are made as any record is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceTariff:
    """Let another version of a tariff count from its start on, and this one until then."""

    id: UUID
    new_id: UUID
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTariff:
    """Let a tariff count no more from this moment on; what it was charged for stays charged."""

    id: UUID
    at_ms: int
