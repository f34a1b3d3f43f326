"""Traffic on a physical network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AddTrafficType:
    """Management, storage and public traffic run on one physical network of a zone only."""

    id: UUID
    fields: dict[str, Any]
