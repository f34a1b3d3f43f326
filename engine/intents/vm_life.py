"""What may be asked of a virtual machine after its deploy, beyond starting and stopping it."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct, field

from engine.intents.vm import NicAsk


class ScaleVm(Struct, frozen=True, kw_only=True):
    """Give it the size of another offering, alive if it runs."""

    vm_id: UUID
    service_offering_id: UUID
    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    host_tags: list[str] = field(default_factory=list)
    details: dict[str, str] = field(default_factory=dict)


class ResizeStoppedVm(Struct, frozen=True, kw_only=True):
    """The same for a guest that must be Stopped: a decision, and no job."""

    scale: ScaleVm


class RestoreVm(Struct, frozen=True, kw_only=True):
    """A fresh root disk in place of its old one. One that runs is stopped, and started again."""

    vm_id: UUID
    volume_id: UUID
    template_id: UUID
    size_bytes: int


class AssignVm(Struct, frozen=True, kw_only=True):
    """Let another account have it, with its volumes and with cards on `nics`, the first default."""

    vm_id: UUID
    account_id: UUID
    domain_id: UUID
    nics: list[NicAsk]


class MigrateVmWithVolumes(Struct, frozen=True, kw_only=True):
    """Alive to another host, with the disks that it does not share.

    `pools` says for a volume which pool it shall go to; the others go where there is room.
    """

    vm_id: UUID
    host_id: UUID | None = None
    pools: dict[UUID, UUID] = field(default_factory=dict)


class MoveVmDisks(Struct, frozen=True, kw_only=True):
    """All disks of a stopped guest to one pool."""

    vm_id: UUID
    pool_id: UUID
