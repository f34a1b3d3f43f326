"""Traffic on a physical network."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct


class AddTrafficType(Struct, frozen=True, kw_only=True):
    """Management, storage and public traffic run on one physical network of a zone only."""

    id: UUID
    fields: dict[str, Any]
