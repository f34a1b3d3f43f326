"""What may be asked of a virtual machine. Every choice is settled here, ids included.

What a deploy is asked for stands in the log for each guest, so what is as usual is not written: a
default here means the same for ever, and another one needs another field.
"""

from __future__ import annotations

from uuid import UUID, uuid5

import msgspec
from msgspec import Struct, field

from aggregates.appliance import Deployed
from engine.intents.ending import GUESTS, ending


def password_entry(vm_id: UUID) -> UUID:
    """Where the vault keeps the password that a guest was given last."""
    return uuid5(vm_id, "password")


def properties_entry(vm_id: UUID) -> UUID:
    """Where the vault keeps what only a guest of an appliance may be told."""
    return uuid5(vm_id, "properties")


class NicAsk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A network card to be made; an `ip4` or `mac` that is empty is the lowest free one."""

    nic_id: UUID
    network_id: UUID
    ip4: str = ""
    mac: str = ""
    dhcp_options: dict[str, str] | None = None


class DiskAsk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A disk of the new guest; device 0 is its root disk, from the template.

    `is_blank` has nothing on it; `is_there` is a volume that exists already, and stays as it is.
    With `snapshot_id` it holds what that snapshot holds; `part` is which disk of its template.
    """

    volume_id: UUID
    name: str
    device: int
    size_bytes: int
    offering_id: UUID | None = None
    is_blank: bool = False
    is_there: bool = False
    snapshot_id: UUID | None = None
    part: int = 0
    min_iops: int | None = None
    max_iops: int | None = None


class DeployVm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """`pod_id`, `cluster_id` and `host_id` narrow where it may run."""

    vm_id: UUID
    account_id: UUID
    domain_id: UUID
    user_id: UUID | None
    zone_id: UUID
    template_id: UUID | None
    service_offering_id: UUID
    name: str
    display_name: str
    hypervisor: str
    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    disks: list[DiskAsk]
    nics: list[NicAsk] = msgspec.field(default_factory=list)
    pod_id: UUID | None = None
    cluster_id: UUID | None = None
    host_id: UUID | None = None
    planner: str = ""
    host_tags: list[str] = msgspec.field(default_factory=list)
    user_data: str = ""
    user_data_id: UUID | None = None
    user_data_details: dict[str, str] = msgspec.field(default_factory=dict)
    key_pairs: list[str] = msgspec.field(default_factory=list)
    public_keys: tuple[str, ...] = ()
    affinity_group_ids: tuple[UUID, ...] = ()
    security_group_ids: list[UUID] = msgspec.field(default_factory=list)
    group_id: UUID | None = None
    iso_id: UUID | None = None
    boot: str = "bios"
    keyboard: str = ""
    password_due: bool = False
    lease_ends_at_ms: int = 0
    lease_action: str = ""
    is_scalable: bool | None = None
    details: dict[str, str] = msgspec.field(default_factory=dict)
    is_displayed: bool = True
    appliance: Deployed | None = None


class CreateVm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A deploy that does not start the guest."""

    deploy: DeployVm


class StartVm(Struct, frozen=True, kw_only=True):
    vm_id: UUID
    pod_id: UUID | None = None
    cluster_id: UUID | None = None
    host_id: UUID | None = None
    planner: str = ""
    consider_last_host: bool = True


class StopVm(Struct, frozen=True, kw_only=True):
    """`forced` cuts the power at once instead of asking the guest first."""

    vm_id: UUID
    forced: bool = False


class RebootVm(Struct, frozen=True, kw_only=True):
    vm_id: UUID
    forced: bool = False


class DestroyVm(Struct, frozen=True, kw_only=True):
    """Stop it and let go of it; it can be recovered until it is expunged.

    `volume_ids` are data disks of it that are deleted at once. The others are detached.
    """

    vm_id: UUID
    volume_ids: list[UUID] = field(default_factory=list)


class ExpungeVm(Struct, frozen=True, kw_only=True):
    """Leave nothing of it: guest, root disk, addresses, snapshots.

    Its data disks are detached and stay, but for those in `volume_ids`. `let_go`: only if it was
    destroyed before.
    """

    vm_id: UUID
    volume_ids: list[UUID] = field(default_factory=list)
    let_go: bool = False


class MigrateVm(Struct, frozen=True, kw_only=True):
    """Move it live; without a host, to whichever other host of its cluster has room."""

    vm_id: UUID
    host_id: UUID | None = None


class RecoverVm(Struct, frozen=True, kw_only=True):
    vm_id: UUID


class UpdateVm(Struct, frozen=True, kw_only=True):
    """What its owner may change; None leaves it as it is."""

    vm_id: UUID
    name: str | None = None
    display_name: str | None = None
    is_displayed: bool | None = None
    is_protected: bool | None = None
    os_type_id: UUID | None = None
    is_scalable: bool | None = None
    instance_name: str | None = None
    details: dict[str, str] | None = None


class GroupVm(Struct, frozen=True, kw_only=True):
    """Put it into an instance group, or into none."""

    vm_id: UUID
    group_id: UUID | None


class SetUserData(Struct, frozen=True, kw_only=True):
    """What its next start tells it. With `stopped`, refused while it runs."""

    vm_id: UUID
    user_data: str
    user_data_id: UUID | None = None
    details: dict[str, str] = field(default_factory=dict)
    stopped: bool = False


class SetKeys(Struct, frozen=True, kw_only=True):
    """The SSH keys that its next start lets in."""

    vm_id: UUID
    key_pairs: list[str]
    public_keys: tuple[str, ...]


class ResetPassword(Struct, frozen=True, kw_only=True):
    """A new password for its next start: the sealed one at `password_ref`, or any.

    With `keys` its SSH keys are others from that start on too.
    """

    vm_id: UUID
    password_ref: str = ""
    keys: SetKeys | None = None


class LeaseVm(Struct, frozen=True, kw_only=True):
    """It ends by itself at that time; 0 takes the lease away."""

    vm_id: UUID
    ends_at_ms: int
    action: str


class VmFound(Struct, frozen=True, kw_only=True):
    """The guest was found off, while the log said otherwise at this `version` of it."""

    vm_id: UUID
    version: int
    why: str


class VmFoundElsewhere(Struct, frozen=True, kw_only=True):
    """It left the host that the log had it on at this `version`, and runs on another one."""

    vm_id: UUID
    version: int
    host_id: UUID


ending("vm", lambda vm: ExpungeVm(vm_id=vm.id), turn=GUESTS)
