"""What may be asked of a virtual machine after its deploy, beyond starting and stopping it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from engine.intents.vm import NicAsk


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleVm:
    """Give it the size of another offering, alive if it runs."""

    vm_id: UUID
    service_offering_id: UUID
    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    host_tags: list[str] = field(default_factory=list)
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeStoppedVm:
    """The same for a guest that must be Stopped: a decision, and no job."""

    scale: ScaleVm


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreVm:
    """A fresh root disk in place of its old one. One that runs is stopped, and started again."""

    vm_id: UUID
    volume_id: UUID
    template_id: UUID
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignVm:
    """Let another account have it, with its volumes and with cards on `nics`, the first default."""

    vm_id: UUID
    account_id: UUID
    domain_id: UUID
    nics: list[NicAsk]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateVmWithVolumes:
    """Alive to another host, with the disks that it does not share.

    `pools` says for a volume which pool it shall go to; the others go where there is room.
    """

    vm_id: UUID
    host_id: UUID | None = None
    pools: dict[UUID, UUID] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveVmDisks:
    """All disks of a stopped guest to one pool."""

    vm_id: UUID
    pool_id: UUID
