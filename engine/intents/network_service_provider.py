"""What may be asked of a provider of network services."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AddProvider:
    """No services means all that the provider can do."""

    id: UUID
    physical_network_id: UUID
    name: str
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateProvider:
    """None leaves it as it is. Enabling a router provider needs its element enabled first."""

    id: UUID
    state: str | None = None
    services: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveProvider:
    """Refused while it is enabled; its element goes with it."""

    id: UUID
