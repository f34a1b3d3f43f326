"""What may be asked of a zone beyond changing its fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateZone:
    """A zone and the MAC addresses that its guests take, `mac_space_id`."""

    id: UUID
    mac_space_id: UUID
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveZone:
    id: UUID
