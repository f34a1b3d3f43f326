"""What a simulated data centre consists of: hosts, guests, pools and disks, as journal rows.

A row says all there is to know about its thing, so the newest row of a thing is its state and a
journal is a list of rows. Rows are small frozen structs: thirty thousand hosts fit in a few
megabytes. They form no cycles, so the cyclic collector need not know of them. A URL in a row never
carries a user name, a password or a query.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from msgspec import Struct

from drivers.contract.compute import DiskAttachment, GuestStatus, NicSpec, Power
from drivers.contract.hooks import HookEnd, HookStage
from drivers.contract.routing import LeaseChange, RouterSpec
from drivers.contract.storage import DiskStatus, SnapshotStatus

# A crashed or paused guest still holds its memory and the locks of its disks; one that is off
# holds neither, as a QEMU process that has ended holds neither.
SNAPSHOTS = "snapshots/"
ALIVE = frozenset({Power.RUNNING, Power.PAUSED, Power.CRASHED})


class SimHost(Struct, frozen=True, array_like=True, gc=False, tag="host"):
    """A machine. `powered` is its mains, `reachable` the line between it and the controller."""

    url: str
    name: str
    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    powered: bool = True
    reachable: bool = True


class SimGuest(Struct, frozen=True, array_like=True, gc=False, tag="guest"):
    """A guest on a host. `guest_id` is None for a stranger, whose name then names it."""

    host: str
    name: str
    guest_id: UUID | None
    power: Power
    key: UUID | None
    cpu_count: int
    memory_mib: int
    started_at_s: float
    disks: tuple[DiskAttachment, ...] = ()
    nics: tuple[NicSpec, ...] = ()

    @property
    def ident(self) -> str:
        return str(self.guest_id) if self.guest_id else f"stranger:{self.name}"

    def status(self) -> GuestStatus:
        return GuestStatus(
            guest_id=self.guest_id,
            name=self.name,
            power=self.power,
            key=self.key,
            cpu_count=self.cpu_count,
            memory_mib=self.memory_mib,
            disks=tuple(disk.path for disk in self.disks),
        )


class SimPool(Struct, frozen=True, array_like=True, gc=False, tag="pool"):
    """Primary storage that every host reaches. `image_ids` are the templates cached in it."""

    url: str
    capacity_bytes: int
    image_ids: tuple[UUID, ...] = ()
    reachable: bool = True


class SimDisk(Struct, frozen=True, array_like=True, gc=False, tag="disk"):
    """A disk in a pool. `volume_id` is None for a stranger's file. All of its size is spent.

    `content` stands for its bytes: what was written last, and what copies carry along. A snapshot
    is one that bears `snapshot_id`. `kept` are the contents within it that snapshots of its whole
    guest keep, by their ids.
    """

    pool: str
    file: str
    volume_id: UUID | None
    size_bytes: int
    key: UUID | None = None
    image_id: UUID | None = None
    content: str = ""
    snapshot_id: UUID | None = None
    kept: tuple[tuple[UUID, str], ...] = ()

    @property
    def is_snapshot(self) -> bool:
        return self.file.startswith(SNAPSHOTS)

    @property
    def path(self) -> str:
        return f"{self.pool}/{self.file}"

    def status(self) -> DiskStatus:
        return DiskStatus(
            volume_id=self.volume_id,
            path=self.path,
            size_bytes=self.size_bytes,
            used_bytes=self.size_bytes,
        )

    def snapshot_status(self) -> SnapshotStatus:
        return SnapshotStatus(
            snapshot_id=self.snapshot_id,
            path=self.path,
            size_bytes=self.size_bytes,
            used_bytes=self.size_bytes,
        )


class Gone(Struct, frozen=True, array_like=True, tag="gone"):
    """A guest or router (`where` is its host) or a disk (`where` is its pool) that is no more."""

    what: Literal["guest", "disk", "router"]
    where: str
    ident: str


class Asked(Struct, frozen=True, array_like=True, gc=False, tag="asked"):
    """A verb that was asked of a thing (`subject` at `where`) under a key."""

    where: str
    subject: UUID
    key: UUID
    verb: str


class SimHook(Struct, frozen=True, array_like=True, tag="hook"):
    """How an operator's script for a stage ends on a host."""

    host: str
    stage: HookStage
    end: HookEnd
    said: str = ""


class HookRun(Struct, frozen=True, array_like=True, tag="hook_run"):
    """A script that has run, under this key."""

    host: str
    stage: HookStage
    key: UUID
    end: HookEnd
    said: str = ""


class SimRouter(Struct, frozen=True, array_like=True, tag="router"):
    """A router that is on a host, and what it was told last."""

    host: str
    spec: RouterSpec


class SimLeases(Struct, frozen=True, array_like=True, tag="leases"):
    """What a router on a host was told of leases."""

    host: str
    router_id: UUID
    change: LeaseChange


_Routing = SimRouter | SimLeases
Row = SimHost | SimGuest | SimPool | SimDisk | Gone | Asked | SimHook | HookRun | _Routing


def disk_file(volume_id: UUID) -> str:
    """The controller's id is in the name of the file, so a listing finds orphans."""
    return f"{volume_id}.qcow2"


def snapshot_file(snapshot_id: UUID) -> str:
    return f"{SNAPSHOTS}{snapshot_id}.qcow2"
