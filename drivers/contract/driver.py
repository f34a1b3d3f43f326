"""What a driver package offers: its kind, what it can do, and a way to connect to a host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from drivers.contract.compute import Compute, HostAddress
from drivers.contract.storage import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a kind of hypervisor can do; what it cannot is refused before anything starts.

    `storage_migration`: to a host that does not share the disks. `guest_growth`: more cores and
    memory for one that runs. `adoption`: guests that no controller made. `guest_snapshots`: all
    disks of a guest at one moment, of one that runs with its memory; `disk_snapshots_alive`:
    without it too. `snapshots`: disks, of running guests too. `live_disk_move`: a running guest's
    disk to another pool. `remembers_keys`: a call that comes too late for its key is refused.
    """

    live_migration: bool = False
    storage_migration: bool = False
    disk_hot_plug: bool = False
    nic_hot_plug: bool = False
    guest_growth: bool = False
    adoption: bool = False
    guest_snapshots: bool = False
    disk_snapshots_alive: bool = False
    snapshots: bool = False
    live_disk_move: bool = False
    remembers_keys: bool = False
    max_guests_per_host: int | None = None
    image_formats: tuple[str, ...] = ()


@runtime_checkable
class HostSession(Compute, Storage, Protocol):
    """A connected host with the storage that it reaches."""


@runtime_checkable
class Driver(Protocol):
    """One kind of hypervisor. `kind` is its name on the wire: `KVM`, `Simulator`, ..."""

    kind: str
    capabilities: Capabilities

    async def connect(self, address: HostAddress) -> HostSession:
        """Reach a host. Refused: wrong credentials or URL. Unavailable: no answer now."""

    async def close(self) -> None:
        """Close every session."""
