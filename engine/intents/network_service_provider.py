"""What may be asked of a provider of network services."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class AddProvider(Struct, frozen=True, kw_only=True):
    """No services means all that the provider can do."""

    id: UUID
    physical_network_id: UUID
    name: str
    services: tuple[str, ...] = ()


class UpdateProvider(Struct, frozen=True, kw_only=True):
    """None leaves it as it is. Enabling a router provider needs its element enabled first."""

    id: UUID
    state: str | None = None
    services: tuple[str, ...] | None = None


class RemoveProvider(Struct, frozen=True, kw_only=True):
    """Refused while it is enabled; its element goes with it."""

    id: UUID
