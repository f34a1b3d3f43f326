"""What may be asked of a physical network. `seed` is what the ids of its parts are made from."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct


class CreatePhysicalNetwork(Struct, frozen=True, kw_only=True):
    """The network with the providers that every one has, each Disabled."""

    id: UUID
    seed: UUID
    fields: dict[str, Any]


class UpdatePhysicalNetwork(Struct, frozen=True, kw_only=True):
    """Changed VLAN ranges become address spaces; a VLAN in use cannot be taken out."""

    id: UUID
    seed: UUID
    fields: dict[str, Any]


class RemovePhysicalNetwork(Struct, frozen=True, kw_only=True):
    """Gone with its traffic types, providers and elements; refused while networks are on it."""

    id: UUID
