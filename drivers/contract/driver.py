"""What a driver package offers: its kind, what it can do, and a way to connect to a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from drivers.contract.compute import Compute, HostAddress
from drivers.contract.storage import Storage

# What a kind may lack beside verbs, and what is said of it where the kind gives no reason.
FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "live_migration": "a guest does not move while it runs",
        "storage_migration": "no guest moves with its disks",
        "disk_hot_plug": "disks are not plugged while a guest runs",
        "nic_hot_plug": "network cards are not plugged while a guest runs",
        "guest_growth": "a guest does not grow while it runs",
        "adoption": "guests that were made elsewhere are not taken over",
        "guest_snapshots": "no snapshots of whole guests are kept",
        "disk_snapshots_alive": "a running guest is kept with its memory only",
        "snapshots": "no snapshots of disks are kept",
        "live_disk_move": "the disk of a running guest does not move",
        "live_disk_growth": "the disk of a running guest does not grow",
        "data_disks": "a guest has its root disk only",
        "several_nics": "a guest has one network card",
        "no_nics": "a guest has a network card",
        "iso": "no disc is put into a drive",
        "uefi": "guests start by BIOS",
        "secure_boot": "guests start without secure boot",
        "tpm": "guests have no trusted platform module",
        "cpu_model": "guests see the processor that they are given",
        "cpu_pinning": "the cores of a guest are not tied to those of its host",
        "huge_pages": "memory is given to guests in pages of the usual size",
        "passthrough": "no device of a host is given to a guest",
        "config_disc": "guests get no disc with their user data",
        "appliances": "what an appliance says of itself does not rule its guests",
        "disk_limits": "what a guest does with its disks has no limit",
        "run_hook": "no script of an operator is run on a host",
        "routers": "no router of a guest network runs on its hosts",
    }
)
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a kind of hypervisor can do; what it cannot is refused before anything starts.

    `storage_migration`: to a host that does not share the disks. `guest_growth`: more cores and
    memory for one that runs. `adoption`: guests that no controller made. `guest_snapshots`: all
    disks of a guest at one moment, of one that runs with its memory; `disk_snapshots_alive`:
    without it too. `snapshots`: disks, of running guests too. `live_disk_move`: a running guest's
    disk to another pool.
    `run_hook`: scripts of operators are run on its hosts. `routers`: its sessions are `Routing`.
    `appliances`: guests are told the properties of the appliance (OVF) that they are made of, and
    have the hardware that it says.

    `cannot` says of a verb of the contract (`resize_disk`), or of one of `FEATURES`, why this kind
    does not do it, in a sentence for people that goes on from "BareMetal hosts: "; the verb then
    raises `Refused`. `whole_host`: one guest has a machine for itself. `image_formats`: what disks
    are made of (`raw`, `qcow2`, `vmdk`, `vhd`, `vhdx`, `ova`); templates of other formats are
    converted to the first. `pool_types`: schemes of the pools that it opens,
    by what the wire calls such a pool. `disk_unit_bytes`: a disk is as many whole units as hold
    what was asked for. `adopted_formats`: what the disks of a guest may be that is adopted.
    `start_s`: how long one try of connecting to a new host, or of a guest's start, may take, if
    that is long because machines boot meanwhile; the kind ends its waits itself, and says why.
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
    run_hook: bool = False
    routers: bool = False
    appliances: bool = False
    max_guests_per_host: int | None = None
    whole_host: bool = False
    image_formats: tuple[str, ...] = ()
    pool_types: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    disk_unit_bytes: int = 1
    start_s: float = 0.0
    adopted_formats: tuple[str, ...] = ("qcow2",)
    cannot: Mapping[str, str] = field(default_factory=lambda: NOTHING)

    def why_not(self, what: str) -> str | None:
        """Why this kind does not do a verb or a feature; None if it does."""
        if getattr(self, what, True) is False:
            return self.cannot.get(what, FEATURES[what])
        return self.cannot.get(what)


@runtime_checkable
class HostSession(Compute, Storage, Protocol):
    """A connected host with the storage that it reaches."""


@runtime_checkable
class Driver(Protocol):
    """One kind of hypervisor. `kind` is its name on the wire: `KVM`, `Simulator`, ..."""

    kind: str
    capabilities: Capabilities

    async def discover(self, address: HostAddress) -> tuple[HostAddress, ...]:
        """The hosts that an address stands for: those of a vCenter's cluster, a pool, a region.

        The address of one host stands for itself. Each that is answered can be connected to alone,
        with a URL that stays the same for as long as the host is there. Fails as `connect` does.
        """

    async def connect(self, address: HostAddress) -> HostSession:
        """Reach a host. Refused: wrong credentials or URL. Unavailable: no answer now."""

    async def close(self) -> None:
        """Close every session."""
