"""What may be asked of primary storage."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct, field


class AddStoragePool(Struct, frozen=True, kw_only=True):
    """`scope` is ZONE, CLUSTER or HOST. Without a ratio, that of the setting counts."""

    id: UUID
    name: str
    url: str
    scope: str
    zone_id: UUID
    hypervisor: str = ""
    pool_type: str = ""
    pod_id: UUID | None = None
    cluster_id: UUID | None = None
    host_id: UUID | None = None
    provider: str = "DefaultPrimary"
    tags: list[str] = field(default_factory=list)
    overprovision: float | None = None
    limit_bytes: int | None = None
    limit_iops: int | None = None
    details: dict[str, str] = field(default_factory=dict)


class UpdateStoragePool(Struct, frozen=True, kw_only=True):
    """None leaves it as it is."""

    id: UUID
    name: str | None = None
    tags: list[str] | None = None
    enabled: bool | None = None
    limit_bytes: int | None = None
    limit_iops: int | None = None
    details: dict[str, str] | None = None


class RemoveStoragePool(Struct, frozen=True, kw_only=True):
    """Refused while a volume lies in it."""

    id: UUID


class MaintainStoragePool(Struct, frozen=True, kw_only=True):
    """Let nothing new into it, and stop the guests that run from it."""

    id: UUID


class ServeStoragePool(Struct, frozen=True, kw_only=True):
    """End its maintenance, and start the guests that it stopped."""

    id: UUID


class SupplyStoragePool(Struct, frozen=True, kw_only=True):
    """Say anew what it offers: a setting has changed."""

    id: UUID


class MeasureStoragePool(Struct, frozen=True, kw_only=True):
    """A look at it has shown how much of it is really used."""

    id: UUID
    used_bytes: int
