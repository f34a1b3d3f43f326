"""A virtual machine as its owner sees it. Memory is in MiB; nothing here calls a hypervisor.

Every transitional state (Starting, Stopping, ...) is entered by an event that names the job, and
left in the same commit that ends the job. So none can outlive its saga.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from aggregates.appliance import Deployed
from aggregates.base import Aggregate, Event, aggregate, as_it_was, event
from aggregates.errors import Busy, NotAllowed, NotFound


class VmState(StrEnum):
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    MIGRATING = "Migrating"
    DESTROYED = "Destroyed"
    EXPUNGING = "Expunging"


TRANSITIONAL = frozenset({VmState.STARTING, VmState.STOPPING, VmState.MIGRATING, VmState.EXPUNGING})


class NicIp(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A further address of a network card."""

    id: UUID
    ip4: str


class Nic(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A network card. `ip4` is empty on a network without addresses.

    `ip_hold` names the promise of an address that came later than the card.
    """

    id: UUID
    network_id: UUID
    mac: str
    ip4: str = ""
    gateway: str = ""
    netmask: str = ""
    is_default: bool = False
    ip_hold: UUID | None = None
    more_ips: tuple[NicIp, ...] = ()
    dhcp_options: dict[str, str] | None = None


@aggregate("vm")
class Vm(Aggregate):
    """`host_id` is where it runs; `last_host_id` where it ran. `cpu_mhz` is the speed of a core.

    `user_data` is base64; `public_keys` are those of `key_pairs` as they were when it was given
    them. `password_due` says that its next start brings a new password, `password_job_id` which
    job brought the last one. A lease that ends at 0 never does. An `os_type_id` or `is_scalable`
    of None is the template's. `doing` names what a job does to it without leaving its state, such
    as a reboot. `hold` is the room that it started with on its host, and `more_holds` what it grew
    by since. `why_stopped` is empty when it was asked to stop; else `stopped_at_ms` is 0 again
    once it has failed to start. `iso_id` is the disc in its drive. `appliance` is what it was told
    of the appliance that it was made of.
    """

    name: str
    display_name: str
    account_id: UUID
    domain_id: UUID
    user_id: UUID | None
    zone_id: UUID
    template_id: UUID | None
    service_offering_id: UUID
    hypervisor: str
    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    instance_name: str = ""
    group_id: UUID | None = None
    user_data: str = ""
    user_data_id: UUID | None = None
    user_data_details: dict[str, str] = msgspec.field(default_factory=dict)
    key_pairs: list[str] = msgspec.field(default_factory=list)
    public_keys: tuple[str, ...] = ()
    affinity_group_ids: tuple[UUID, ...] = ()
    boot: str = "bios"
    keyboard: str = ""
    password_due: bool = False
    password_job_id: UUID | None = None
    lease_ends_at_ms: int = 0
    lease_action: str = ""
    is_protected: bool = False
    os_type_id: UUID | None = None
    is_scalable: bool | None = None
    host_tags: list[str] = msgspec.field(default_factory=list)
    details: dict[str, str] = msgspec.field(default_factory=dict)
    is_displayed: bool = True
    iso_id: UUID | None = None
    nics: list[Nic] = msgspec.field(default_factory=list)
    security_group_ids: list[UUID] = msgspec.field(default_factory=list)
    state: VmState = VmState.STOPPED
    before: VmState = VmState.STOPPED
    doing: str = ""
    job_id: UUID | None = None
    host_id: UUID | None = None
    last_host_id: UUID | None = None
    hold: UUID | None = None
    more_holds: list[UUID] = msgspec.field(default_factory=list)
    why_stopped: str = ""
    stopped_at_ms: int = 0
    state_at_ms: int = 0
    growing_cores: int = 0
    growing_mib: int = 0
    appliance: Deployed | None = None

    @property
    def holds(self) -> list[UUID]:
        """Every promise of capacity that it has."""
        return [*([self.hold] if self.hold is not None else []), *self.more_holds]

    def nic(self, nic_id: UUID) -> Nic:
        """One of its cards."""
        for nic in self.nics:
            if nic.id == nic_id:
                return nic
        raise NotFound(f"virtual machine {self.name} has no network card {nic_id}")

    def begin(self, doing: VmState, job_id: UUID, *allowed: VmState) -> VmBusy:
        """Let one job have the guest to itself, if it is in one of the `allowed` states."""
        self.unclaimed()
        if self.state not in allowed:
            wanted = " or ".join(allowed)
            raise NotAllowed(f"virtual machine {self.name} is {self.state}: it must be {wanted}")
        return VmBusy(doing=doing, job_id=job_id)

    def work(self, doing: str, job_id: UUID, *allowed: VmState) -> VmWorkBegun:
        """Let one job work on the guest without its state changing."""
        begun = self.begin(self.state, job_id, *allowed)
        return VmWorkBegun(doing=doing, job_id=begun.job_id)

    def unprotected(self) -> None:
        """Refuse to let go of a guest whose owner protects it."""
        if self.is_protected:
            raise NotAllowed(
                f"virtual machine {self.name} is protected from deletion: "
                "set deleteprotection=false first"
            )

    def destroy(self) -> VmDestroyed:
        self.unclaimed()
        if self.state is not VmState.STOPPED:
            raise NotAllowed(f"virtual machine {self.name} is {self.state}: stop it first")
        return VmDestroyed()

    def recover(self) -> VmRecovered:
        if self.state is not VmState.DESTROYED:
            raise NotAllowed(
                f"virtual machine {self.name} is {self.state}: only a Destroyed one is recovered"
            )
        return VmRecovered()

    def unclaimed(self) -> None:
        """Refuse while a job has the guest."""
        if self.job_id is not None:
            raise Busy(f"virtual machine {self.name}", self.doing or self.state, self.job_id)


def _without_group(fields: dict[str, Any]) -> dict[str, Any]:
    """A group was a mere word once; there was nothing of that name to be in."""
    return {name: value for name, value in fields.items() if name != "group"}


@event("vm.created", creates=Vm, version=3, upcasts={1: _without_group, 2: as_it_was})
class VmCreated(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What is as usual is not written: most guests have no group, no lease and no keys.

    `state` and `job_id` tell of the job that has it from its first moment.
    """

    name: str
    display_name: str
    account_id: UUID
    domain_id: UUID
    user_id: UUID | None
    zone_id: UUID
    template_id: UUID | None
    service_offering_id: UUID
    hypervisor: str
    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    instance_name: str
    group_id: UUID | None = None
    user_data: str = ""
    user_data_id: UUID | None = None
    user_data_details: dict[str, str] = msgspec.field(default_factory=dict)
    key_pairs: list[str] = msgspec.field(default_factory=list)
    public_keys: tuple[str, ...] = ()
    affinity_group_ids: tuple[UUID, ...] = ()
    boot: str = "bios"
    keyboard: str = ""
    password_due: bool = False
    lease_ends_at_ms: int = 0
    lease_action: str = ""
    is_scalable: bool | None = None
    host_tags: list[str]
    details: dict[str, str]
    is_displayed: bool
    nics: list[Nic]
    security_group_ids: list[UUID] = msgspec.field(default_factory=list)
    iso_id: UUID | None = None
    appliance: Deployed | None = None
    state: VmState = VmState.STOPPED
    job_id: UUID | None = None

    def joined(self, later: Event) -> Event | None:
        if isinstance(later, VmBusy):
            return msgspec.structs.replace(self, state=later.doing, job_id=later.job_id)
        if isinstance(later, VmNicsSet):
            return msgspec.structs.replace(self, nics=later.nics)
        return None


@event("vm.nics_set")
class VmNicsSet(Event, frozen=True, kw_only=True):
    """Its network cards, with the addresses that they hold."""

    nics: list[Nic]

    def apply(self, row: Vm, at_ms: int) -> None:
        row.nics = list(self.nics)


@event("vm.busy")
class VmBusy(Event, frozen=True, kw_only=True):
    """A job took the guest from one state towards another."""

    doing: VmState
    job_id: UUID

    def apply(self, row: Vm, at_ms: int) -> None:
        row.before = row.state
        row.state, row.job_id, row.state_at_ms = self.doing, self.job_id, at_ms


@event("vm.work_begun")
class VmWorkBegun(Event, frozen=True, kw_only=True):
    """A job works on the guest while it stays what it is."""

    doing: str
    job_id: UUID

    def apply(self, row: Vm, at_ms: int) -> None:
        row.before, row.doing, row.job_id = row.state, self.doing, self.job_id


@event("vm.work_ended")
class VmWorkEnded(Event, frozen=True, kw_only=True):
    """The job is done, or gave up: the guest is what it was before the job."""

    def apply(self, row: Vm, at_ms: int) -> None:
        if row.why_stopped and row.state == VmState.STARTING:
            row.stopped_at_ms = 0
        if row.state != row.before:
            row.state, row.state_at_ms = row.before, at_ms
        row.doing, row.job_id = "", None
        row.growing_cores = row.growing_mib = 0


@event("vm.started")
class VmStarted(Event, frozen=True, kw_only=True):
    """It runs on `host_id`; `hold` is the capacity that it holds there.

    A password that was due has been handed to it by this start if `password_told`; else it stays
    due until a start that can hand it over.
    """

    host_id: UUID
    hold: UUID
    password_told: bool = False

    def apply(self, row: Vm, at_ms: int) -> None:
        if row.password_due and (self.password_told or row.password_job_id is None):
            row.password_job_id = row.job_id
        row.password_due = row.password_due and not self.password_told
        row.state, row.job_id, row.state_at_ms = VmState.RUNNING, None, at_ms
        row.host_id, row.hold, row.more_holds, row.why_stopped = self.host_id, self.hold, [], ""


@event("vm.stopped")
class VmStopped(Event, frozen=True, kw_only=True):
    """It runs no more. `why` is empty when it was asked to."""

    why: str = ""

    def apply(self, row: Vm, at_ms: int) -> None:
        row.state, row.doing, row.job_id, row.state_at_ms = VmState.STOPPED, "", None, at_ms
        row.last_host_id, row.host_id = row.host_id, None
        row.hold, row.more_holds = None, []
        row.why_stopped, row.stopped_at_ms = self.why, at_ms


@event("vm.migrated")
class VmMigrated(Event, frozen=True, kw_only=True):
    host_id: UUID
    hold: UUID

    def apply(self, row: Vm, at_ms: int) -> None:
        row.last_host_id = row.host_id
        row.state, row.job_id, row.state_at_ms = VmState.RUNNING, None, at_ms
        row.host_id, row.hold, row.more_holds = self.host_id, self.hold, []


@event("vm.disc_changed")
class VmDiscChanged(Event, frozen=True, kw_only=True):
    """Another disc is in its drive, or none."""

    iso_id: UUID | None


@event("vm.destroyed")
class VmDestroyed(Event, frozen=True, kw_only=True):
    """Its owner let go of it; it can be recovered until it is expunged."""

    def apply(self, row: Vm, at_ms: int) -> None:
        row.state, row.job_id, row.state_at_ms = VmState.DESTROYED, None, at_ms


@event("vm.recovered")
class VmRecovered(Event, frozen=True, kw_only=True):
    def apply(self, row: Vm, at_ms: int) -> None:
        row.state, row.state_at_ms = VmState.STOPPED, at_ms


@event("vm.updated", version=2, upcasts={1: _without_group})
class VmUpdated(Event, frozen=True, kw_only=True):
    """What its owner may change at any time."""

    name: str
    display_name: str
    user_data: str
    is_displayed: bool
    is_protected: bool = False
    os_type_id: UUID | None = None
    is_scalable: bool | None = None
    instance_name: str = ""
    details: dict[str, str]


@event("vm.grouped")
class VmGrouped(Event, frozen=True, kw_only=True):
    """Its owner put it into an instance group, or took it out of every one."""

    group_id: UUID | None


@event("vm.affinity_set")
class VmAffinitySet(Event, frozen=True, kw_only=True):
    """The affinity groups that its next start heeds."""

    affinity_group_ids: tuple[UUID, ...]


@event("vm.user_data_set")
class VmUserDataSet(Event, frozen=True, kw_only=True):
    """What its next start tells it; `user_data_id` if that was registered before."""

    user_data: str
    user_data_id: UUID | None
    user_data_details: dict[str, str]


@event("vm.keys_set")
class VmKeysSet(Event, frozen=True, kw_only=True):
    """Which SSH keys its next start lets in."""

    key_pairs: list[str]
    public_keys: tuple[str, ...]


@event("vm.password_reset")
class VmPasswordReset(Event, frozen=True, kw_only=True):
    """A new password waits in the vault for its next start."""

    def apply(self, row: Vm, at_ms: int) -> None:
        row.password_due, row.password_job_id = True, row.job_id
        row.doing, row.job_id = "", None


@event("vm.leased")
class VmLeased(Event, frozen=True, kw_only=True):
    """It ends by itself at that time, by being stopped or destroyed; 0 is never."""

    lease_ends_at_ms: int
    lease_action: str


@event("vm.expunged", removes=True)
class VmExpunged(Event, frozen=True, kw_only=True):
    pass
