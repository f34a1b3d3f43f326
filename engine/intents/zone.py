"""What may be asked of a zone beyond changing its fields."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct


class CreateZone(Struct, frozen=True, kw_only=True):
    """A zone and the MAC addresses that its guests take, `mac_space_id`."""

    id: UUID
    mac_space_id: UUID
    fields: dict[str, Any]


class RemoveZone(Struct, frozen=True, kw_only=True):
    id: UUID
