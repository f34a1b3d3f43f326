"""What every hypervisor driver promises about hosts and guests.

How the engine calls you. A saga step calls a verb with a key that stays the same for every retry
of that step and for its undo. The process may die between any two lines, so each verb may find
its own work done, half done or undone: it must then finish it and say so as if it had been the
first time. Removing what is already gone is success. A guest is named by `guest_id`, the
controller's id for it, which the driver must keep on the backend so that `list_guests` can find
guests that the controller forgot. Deadlines are the caller's: a verb must let itself be
cancelled, and what was under way then counts as `Unknown`.

Several controllers may call, and one that was paused may call late, when another has finished or
undone its step. No driver is asked to tell such a call apart: see ADR 46. An undo that makes
something has a key of its own, so that a backend which remembers what a key has unmade can.

Sizes and times carry their unit in the name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable
from uuid import UUID

from drivers.contract.console import Console as Console
from drivers.contract.guest_appliance import GuestAppliance
from drivers.contract.hardware import Hardware
from drivers.contract.hooks import Hook, HookResult
from drivers.contract.storage import PoolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAddress:
    """How a host is reached. `password` comes from the sealed store and is never logged."""

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What a host says of itself. `cpu_mhz` is the speed of one core."""

    hardware_id: str
    name: str
    hypervisor_version: str
    cpu_count: int
    cpu_mhz: int
    memory_bytes: int
    accelerated: bool
    capabilities: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """One reading of a host's own instruments, for example `Inlet Temp`, 23.0, `Cel`."""

    name: str
    value: float | None
    unit: str
    health: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStats:
    """How busy a host is. `sensors` are its instruments, of hosts that show theirs."""

    cpu_used_percent: float
    memory_used_bytes: int
    network_read_bytes: int
    network_write_bytes: int
    uptime_s: int
    sensors: tuple[Sensor, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskStats:
    """What a guest has done with one of its disks since it started."""

    volume_id: UUID
    read_bytes: int
    write_bytes: int
    reads: int
    writes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestStats:
    """Counters of a guest since it started, and those of its disks as far as they are known."""

    guest_id: UUID
    cpu_time_ns: int
    memory_used_bytes: int
    disk_read_bytes: int
    disk_write_bytes: int
    network_read_bytes: int
    network_write_bytes: int
    disks: tuple[DiskStats, ...] = ()


class Power(StrEnum):
    """What a hypervisor can say of a guest; `CRASHED` still occupies its name and memory."""

    RUNNING = "running"
    PAUSED = "paused"
    OFF = "off"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskLimits:
    """What a guest may do with a disk in a second; 0 sets no limit. A total excludes its parts."""

    total_iops: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    read_iops: int = 0
    write_iops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskAttachment:
    """A disk as a guest sees it: device 0 is the root disk, 3 is kept for the CD-ROM.

    `cache` is none, writeback or writethrough; empty leaves it to the driver.
    """

    volume_id: UUID
    path: str
    device: int
    image_format: str = "qcow2"
    read_only: bool = False
    is_cdrom: bool = False
    cache: str = ""
    limits: DiskLimits = field(default_factory=DiskLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskMove:
    """A disk that goes along with its guest, as a copy in another pool. All that it holds goes."""

    volume_id: UUID
    pool: PoolSpec
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NicSpec:
    """A guest's network card. `bridge` is the host's label for the network (empty: the default)."""

    nic_id: UUID
    mac: str
    bridge: str = ""
    vlan: int | None = None
    ip4: str = ""
    model: str = "virtio"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSpec:
    """All that a hypervisor needs to run a guest. `cpu_mhz` weighs one core against others.

    `name` is its host name, and `instance_name` what hypervisors and their tools know it by.
    `cpu_max` and `memory_max_mib` are how far it may grow while it runs; 0 for not at all.
    `config` are the files of a disc labelled `config-2` that it finds in a drive of its own, by
    their paths; without any it has no such drive. They may hold what only the guest may read.
    `boot` is bios, uefi or uefi-secure. What its firmware and its `hardware` keep (boot entries,
    secrets of a TPM) is kept with the root disk, and comes and goes with it.
    """

    guest_id: UUID
    name: str
    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    disks: tuple[DiskAttachment, ...]
    nics: tuple[NicSpec, ...] = ()
    user_data: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    boot: str = "bios"
    cpu_max: int = 0
    memory_max_mib: int = 0
    config: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    hardware: Hardware = field(default_factory=Hardware)
    appliance: GuestAppliance | None = None
    instance_name: str = ""

    @property
    def known_as(self) -> str:
        return self.instance_name or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestStatus:
    """What is really there. `guest_id` is None for a guest that no controller made."""

    guest_id: UUID | None
    name: str
    power: Power
    key: UUID | None = None
    cpu_count: int = 0
    memory_mib: int = 0
    disks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangerDisk:
    """A disk of a guest that no controller made; `path` is the image itself, links resolved."""

    label: str
    path: str
    size_bytes: int
    image_format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangerNic:
    mac: str
    bridge: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A guest that no controller made, in all that one must know to take it over."""

    name: str
    power: Power
    cpu_count: int
    memory_mib: int
    disks: tuple[StrangerDisk, ...] = ()
    nics: tuple[StrangerNic, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What a stranger's parts are called from now on: our ids by image path, and by MAC."""

    guest_id: UUID
    name: str
    disks: tuple[tuple[UUID, str], ...] = ()
    nics: tuple[tuple[UUID, str], ...] = ()


@runtime_checkable
class Compute(Protocol):
    """One host, connected. Sessions heal themselves: a lost one is `Unavailable` meanwhile."""

    async def inspect(self) -> HostFacts:
        """Facts that the allocator counts on. Asked at `addHost` and again at each reconnection."""

    async def start_guest(self, spec: GuestSpec, *, key: UUID) -> GuestStatus:
        """Run the guest; one that runs under this id already is success.

        Refused: the spec can never run here (too large, disk missing). Unavailable: the host is
        out of reach or out of memory now. After an error nothing of the guest remains, or a later
        `remove_guest` with the same key removes it.
        """

    async def stop_guest(self, guest_id: UUID, *, grace_s: float, key: UUID) -> None:
        """Ask the guest to power off, wait `grace_s` at most, then cut its power; 0 cuts now."""

    async def reboot_guest(self, guest_id: UUID, *, force: bool, key: UUID) -> None:
        """Restart a running guest in place. Refused if it does not run."""

    async def remove_guest(self, guest_id: UUID, *, key: UUID) -> None:
        """Leave nothing of the guest on this host: power, definition, scratch. Never disks.

        Its config disc is scratch: every start brings it anew.
        """

    async def migrate_guest(
        self,
        guest_id: UUID,
        target: HostAddress,
        *,
        key: UUID,
        moves: tuple[DiskMove, ...] = (),
    ) -> None:
        """Move a running guest to `target` (same kind) without stopping it.

        Disks in `moves` are copied into pools that the target reaches, and the guest goes on from
        the copies; the others are shared. Success means: runs there, and is gone here; what was
        copied stays behind, for `remove_disk`. Refused leaves it running here from the disks that
        it had, and `remove_disk` in the new pools leaves nothing there.
        """

    async def grow_guest(
        self, guest_id: UUID, *, cpu_count: int, cpu_mhz: int, memory_mib: int, key: UUID
    ) -> None:
        """Let a running guest have more cores and memory, up to what it was started with room for.

        A guest that has as much already is success. Refused: it does not run, or was started
        without room to grow so far; nothing has changed then.
        """

    async def snapshot_guest(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        """Keep all disks of a guest as they are at one moment, and its memory if it runs.

        What is kept lies within the disks and goes with them. `with_memory` needs a guest that
        runs here; without it the disks must be those of one that is off, unless the driver says
        `disk_snapshots_alive`. The same id again is success. Refused leaves nothing kept.
        """

    async def revert_guest(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        """Let the disks be what was kept; with memory, the guest that runs here too.

        Refused: no such snapshot is kept in every disk, and then nothing has changed.
        """

    async def forget_snapshot(
        self, guest_id: UUID, snapshot_id: UUID, disks: tuple[DiskAttachment, ...], *, key: UUID
    ) -> None:
        """Keep it no longer, whether the guest runs here or is off."""

    async def attach_disk(self, guest_id: UUID, disk: DiskAttachment, *, key: UUID) -> None:
        """Plug a disk into a running guest."""

    async def limit_disk(
        self, guest_id: UUID, volume_id: UUID, limits: DiskLimits, *, key: UUID
    ) -> None:
        """Let a guest that runs do this much with a disk from now on; what is 0 has no limit.

        One that does not run here is success: it is told at its start. Refused: it has no such
        disk.
        """

    async def detach_disk(self, guest_id: UUID, volume_id: UUID, *, key: UUID) -> None:
        """Unplug a disk; the guest has let go of it when this returns."""

    async def attach_nic(self, guest_id: UUID, nic: NicSpec, *, key: UUID) -> None:
        """Plug a network card into a running guest."""

    async def detach_nic(self, guest_id: UUID, nic_id: UUID, *, key: UUID) -> None:
        """Unplug a network card."""

    async def find_guest(self, guest_id: UUID) -> GuestStatus | None:
        """The guest as it really is, or None."""

    async def list_guests(self) -> list[GuestStatus]:
        """Everything on this host, strangers included. Sweepers compare it with the log."""

    async def survey_strangers(self) -> list[Stranger]:
        """Every guest on this host that no controller made."""

    async def adopt_guest(self, stranger: str, adoption: Adoption, *, key: UUID) -> None:
        """Know a stranger that runs, by its name, as a guest of ours from now on; it runs on.

        Adopted already is success. Refused: there is none of this name, or it is another's.
        """

    async def disown_guest(self, guest_id: UUID, *, key: UUID) -> None:
        """Know a guest that runs no longer: it runs on, and is a stranger. Gone is success."""

    async def console(self, guest_id: UUID) -> Console:
        """Where to look at the guest. Refused if it does not run."""

    async def run_hook(self, hook: Hook, *, key: UUID) -> HookResult:
        """Run an operator's script on the host, once for each key: asking again tells how it ended.

        How a script ends is an answer and no error. One that a crash of the controller left alone
        runs on. If its host restarts meanwhile it is run again, with `HOOK_RESTARTED=1` in its
        environment, so that it may restart the host itself. Unavailable: the host is out of reach.
        """

    async def host_stats(self) -> HostStats: ...

    async def guest_stats(self) -> list[GuestStats]:
        """Counters of every running guest in one call."""

    async def close(self) -> None:
        """Let go of the connection. Guests are not touched."""
