"""What may be asked of a virtual machine. Every choice is settled here, ids included."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from engine.intents.ending import GUESTS, ending


@dataclass(frozen=True, slots=True, kw_only=True)
class NicAsk:
    """A network card to be made; `ip4` is the address wanted, or empty for the lowest free."""

    nic_id: UUID
    network_id: UUID
    ip4: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskAsk:
    """A disk to be made with the guest; device 0 is its root disk, from the template."""

    volume_id: UUID
    name: str
    device: int
    size_bytes: int
    offering_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployVm:
    """`pod_id`, `cluster_id` and `host_id` narrow where it may run."""

    vm_id: UUID
    account_id: UUID
    domain_id: UUID
    user_id: UUID | None
    zone_id: UUID
    template_id: UUID
    service_offering_id: UUID
    name: str
    display_name: str
    hypervisor: str
    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    disks: list[DiskAsk]
    nics: list[NicAsk] = field(default_factory=list)
    pod_id: UUID | None = None
    cluster_id: UUID | None = None
    host_id: UUID | None = None
    host_tags: list[str] = field(default_factory=list)
    user_data: str = ""
    key_pairs: list[str] = field(default_factory=list)
    group: str = ""
    details: dict[str, str] = field(default_factory=dict)
    is_displayed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVm:
    """A deploy that does not start the guest."""

    deploy: DeployVm


@dataclass(frozen=True, slots=True, kw_only=True)
class StartVm:
    vm_id: UUID
    pod_id: UUID | None = None
    cluster_id: UUID | None = None
    host_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopVm:
    """`forced` cuts the power at once instead of asking the guest first."""

    vm_id: UUID
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RebootVm:
    vm_id: UUID
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyVm:
    """Stop it and let go of it; it can be recovered until it is expunged.

    `volume_ids` are data disks of it that are deleted at once.
    """

    vm_id: UUID
    volume_ids: list[UUID] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpungeVm:
    """Leave nothing of it: guest, root disk, addresses, snapshots.

    Its data disks are detached and stay, but for those in `volume_ids`.
    """

    vm_id: UUID
    volume_ids: list[UUID] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateVm:
    """Move it live; without a host, to whichever other host of its cluster has room."""

    vm_id: UUID
    host_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverVm:
    vm_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateVm:
    """What its owner may change; None leaves it as it is."""

    vm_id: UUID
    name: str | None = None
    display_name: str | None = None
    group: str | None = None
    user_data: str | None = None
    is_displayed: bool | None = None
    details: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VmFound:
    """The guest was found off, while the log said otherwise at this `version` of it."""

    vm_id: UUID
    version: int
    why: str


ending("vm", lambda vm: ExpungeVm(vm_id=vm.id), turn=GUESTS)
