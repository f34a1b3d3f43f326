"""What may be asked of a physical network. `seed` is what the ids of its parts are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePhysicalNetwork:
    """The network with the providers that every one has, each Disabled."""

    id: UUID
    seed: UUID
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePhysicalNetwork:
    """Changed VLAN ranges become address spaces; a VLAN in use cannot be taken out."""

    id: UUID
    seed: UUID
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovePhysicalNetwork:
    """Gone with its traffic types, providers and elements; refused while networks are on it."""

    id: UUID
