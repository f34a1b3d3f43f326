"""What a host says of itself and of what its guests do."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any
from uuid import UUID

from drivers.contract.compute import DiskStats, GuestStats, HostFacts, HostStats
from drivers.contract.errors import Refused
from drivers.hyperv import places
from drivers.hyperv.client import Client
from drivers.hyperv.translate import MIB, Guest, read_guests
from drivers.hyperv.words import Statement, ask, cmd

TICK_NS = 100
RAW = "Win32_PerfRawData"
DISKS = f"{RAW}_Counters_HyperVVirtualStorageDevice"
CARDS = f"{RAW}_NvspNicStats_HyperVVirtualNetworkAdapter"
CORES = f"{RAW}_HvStats_HyperVHypervisorVirtualProcessor"
HOST_CORES = "Win32_PerfFormattedData_HvStats_HyperVHypervisorLogicalProcessor"
HOST_CARDS = f"{RAW}_Tcpip_NetworkInterface"
DISK = (
    "Name",
    "ReadBytesPersec",
    "WriteBytesPersec",
    "ReadOperationsPerSec",
    "WriteOperationsPerSec",
)
MEMORY = ("TotalVisibleMemorySize", "FreePhysicalMemory", "LastBootUpTime", "LocalDateTime")
CARD = ("Name", "BytesReceivedPersec", "BytesSentPersec")
STAMP = re.compile(r"/Date\((-?\d+)\)/")
GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def counters(name: str, properties: tuple[str, ...]) -> Statement:
    """A class of raw counters: sums since the guest started, whatever their names say."""
    return ask(cmd("Get-CimInstance", ClassName=name), properties=properties)


class Facts:
    def __init__(self, client: Client, survey: tuple[Statement, ...]) -> None:
        self._client, self._survey = client, survey
        self._known: HostFacts | None = None

    async def inspect(self, *, anew: bool = False) -> HostFacts:
        if self._known is not None and not anew:
            return self._known
        cim = "Get-CimInstance"
        told = await self._client.ask(
            ask(cmd("Get-VMHost"), properties=("Name", "LogicalProcessorCount", "MemoryCapacity")),
            ask(cmd(cim, ClassName="Win32_ComputerSystemProduct"), properties=("UUID",)),
            ask(cmd(cim, ClassName="Win32_OperatingSystem"), properties=("Caption", "Version")),
            ask(cmd(cim, ClassName="Win32_Processor"), properties=("MaxClockSpeed",)),
            doing="look at the host",
        )
        if not all(told):
            raise Refused(f"{self._client.route} says nothing of itself: is Hyper-V installed?")
        host, product, system, processor = (one[0] for one in told)
        self._known = HostFacts(
            hardware_id=str(product["UUID"]).lower(),
            name=str(host["Name"]),
            hypervisor_version=f"{system['Caption']} {system['Version']}",
            cpu_count=int(host["LogicalProcessorCount"]),
            cpu_mhz=int(processor["MaxClockSpeed"]),
            memory_bytes=int(host["MemoryCapacity"]),
            accelerated=True,
            capabilities=("hvm", "uefi", "checkpoints"),
        )
        return self._known

    async def host_stats(self) -> HostStats:
        told = await self._client.ask(
            ask(
                cmd("Get-CimInstance", ClassName="Win32_OperatingSystem"),
                properties=MEMORY,
            ),
            counters(HOST_CORES, ("Name", "PercentTotalRunTime")),
            counters(HOST_CARDS, CARD),
            doing="look at the host",
        )
        system = told[0][0]
        total = [one for one in told[1] if one["Name"] == "_Total"]
        used_kib = int(system["TotalVisibleMemorySize"]) - int(system["FreePhysicalMemory"])
        up_s = _seconds(system["LocalDateTime"]) - _seconds(system["LastBootUpTime"])
        return HostStats(
            cpu_used_percent=min(100.0, float(total[0]["PercentTotalRunTime"])) if total else 0.0,
            memory_used_bytes=used_kib * 1024,
            network_read_bytes=sum(int(one["BytesReceivedPersec"]) for one in told[2]),
            network_write_bytes=sum(int(one["BytesSentPersec"]) for one in told[2]),
            uptime_s=max(0, up_s),
        )

    async def guest_stats(self) -> list[GuestStats]:
        """All guests and all their counters in one request, however many there are."""
        told = await self._client.ask(
            *self._survey,
            counters(CORES, ("Name", "PercentTotalRunTime")),
            counters(DISKS, DISK),
            counters(CARDS, CARD),
            doing="look at what guests do",
        )
        return _stats(list(read_guests(told[:4])), *told[4:])


def _stats(
    guests: list[Guest],
    cores: list[dict[str, Any]],
    disks: list[dict[str, Any]],
    cards: list[dict[str, Any]],
) -> list[GuestStats]:
    """Counters know cores by the guest's name, disks by their path, cards by the guest's id."""
    ticks: dict[str, int] = defaultdict(int)
    for one in cores:
        ticks[str(one["Name"]).rsplit(":", 1)[0].lower()] += int(one["PercentTotalRunTime"])
    by_disk = {_plain(str(one["Name"])): one for one in disks}
    by_guest: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in cards:
        for found in GUID.findall(str(one["Name"]))[:-1]:
            by_guest[found.lower()].append(one)
    made = []
    for guest in guests:
        if guest.note is None or not guest.runs:
            continue
        mine = [(seat, by_disk.get(_plain(seat.path))) for seat in guest.seats]
        told = [_disk(_volume(guest, seat.path), one) for seat, one in mine if one is not None]
        nics = by_guest[guest.vm_id.lower()]
        made.append(
            GuestStats(
                guest_id=guest.note.guest_id,
                cpu_time_ns=ticks[guest.name.lower()] * TICK_NS,
                memory_used_bytes=guest.memory_mib * MIB,
                disk_read_bytes=sum(one.read_bytes for one in told),
                disk_write_bytes=sum(one.write_bytes for one in told),
                network_read_bytes=sum(int(one["BytesReceivedPersec"]) for one in nics),
                network_write_bytes=sum(int(one["BytesSentPersec"]) for one in nics),
                disks=tuple(one for one in told if one.volume_id != UUID(int=0)),
            )
        )
    return made


def _seconds(told: Any) -> int:
    """What Windows PowerShell writes of a moment: milliseconds since 1970."""
    found = STAMP.search(str(told))
    return int(found[1]) // 1000 if found else 0


def _disk(volume_id: UUID | None, told: dict[str, Any]) -> DiskStats:
    return DiskStats(
        volume_id=volume_id or UUID(int=0),
        read_bytes=int(told["ReadBytesPersec"]),
        write_bytes=int(told["WriteBytesPersec"]),
        reads=int(told["ReadOperationsPerSec"]),
        writes=int(told["WriteOperationsPerSec"]),
    )


def _volume(guest: Guest, path: str) -> UUID | None:
    for volume_id, adopted in (guest.note.disks if guest.note else {}).items():
        if places.same(places.settled(path), adopted):
            return volume_id
    return places.id_in(path)


def _plain(path: str) -> str:
    """Counters write a path with dashes for what separates its parts."""
    return path.replace("\\", "-").lower()
