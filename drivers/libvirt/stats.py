"""Counters of a host and of its guests: one call for all guests, never one for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import libvirt

from drivers.contract.compute import DiskStats, GuestStats, HostStats
from drivers.contract.errors import DriverError
from drivers.libvirt.client import Client, Connection
from drivers.libvirt.observe import Domain
from drivers.libvirt.shell import Shell

WANTED = (
    libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_BLOCK
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
)
HOW = (
    libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
    | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
)
KIB, NS = 1024, 10**9
PROC = "cat /proc/uptime; tail -n +3 /proc/net/dev"


class Statistics:
    """What must be remembered between two looks: CPU times, and which guests are ours."""

    def __init__(self, client: Client, shell: Shell, *, counts: bool = True) -> None:
        self._counts = counts
        self._client = client
        self._shell = shell
        self._cpu: tuple[int, int] = (0, 0)
        self._ours: dict[str, bool] = {}

    async def host(self) -> HostStats:
        """CPU use since the look before; the first look counts from the host's boot."""
        node = await self._client.read(_node, doing="read the host's counters")
        uptime_s, received, sent = await self._proc()
        total = node.total or uptime_s * node.cores * NS
        busy_before, total_before = self._cpu
        self._cpu = (node.busy, total)
        span = total - total_before
        percent = 100.0 * (node.busy - busy_before) / span if span > 0 else 0.0
        return HostStats(
            cpu_used_percent=min(100.0, max(0.0, percent)),
            memory_used_bytes=node.used_bytes,
            network_read_bytes=received,
            network_write_bytes=sent,
            uptime_s=uptime_s,
        )

    async def _proc(self) -> tuple[int, int, int]:
        """Uptime and traffic, which libvirt does not tell; zeros where there is no way in."""
        try:
            done = await self._shell.run("sh", "-c", PROC)
        except DriverError:
            return 0, 0, 0
        lines = done.stdout.splitlines()
        if done.code or not lines:
            return 0, 0, 0
        return int(float(lines[0].split()[0])), *read_traffic(lines[1:])

    async def guests(self) -> list[GuestStats]:
        ask = self._guests if self._counts else one_by_one
        return await self._client.read(ask, doing="read the guests' counters")

    def _guests(self, connection: Connection) -> list[GuestStats]:
        found = connection.getAllDomainStats(WANTED, HOW)
        uuids = [domain.UUIDString() for domain, _ in found]
        self._ours = {uuid: self._ours[uuid] for uuid in uuids if uuid in self._ours}
        stats = []
        for uuid, (domain, counters) in zip(uuids, found, strict=True):
            if uuid not in self._ours:
                self._ours[uuid] = _is_ours(domain)
            if self._ours[uuid]:
                stats.append(read_guest(UUID(uuid), counters))
        return stats


def one_by_one(connection: Connection) -> list[GuestStats]:
    """For hypervisors whose libvirt has no call for all guests: a few calls for each."""
    stats = []
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        with suppress(libvirt.libvirtError):  # it went away between two lines
            state = Domain.read(domain.XMLDesc(0))
            if state.guest_id is None:
                continue
            _, _, memory_kib, _, cpu_time_ns = domain.info()
            received = sent = 0
            for target in state.root.findall("devices/interface/target"):
                with suppress(libvirt.libvirtError):
                    counters = domain.interfaceStats(target.get("dev", ""))
                    received, sent = received + counters[0], sent + counters[4]
            stats.append(
                GuestStats(
                    guest_id=state.guest_id,
                    cpu_time_ns=cpu_time_ns,
                    memory_used_bytes=memory_kib * KIB,
                    disk_read_bytes=0,
                    disk_write_bytes=0,
                    network_read_bytes=received,
                    network_write_bytes=sent,
                )
            )
    return stats


@dataclass(frozen=True, slots=True)
class _Node:
    """What all cores did, in ns. `total` is 0 where only the host's uptime tells it."""

    busy: int
    total: int
    cores: int
    used_bytes: int


def _node(connection: Connection) -> _Node:
    try:
        cpu = connection.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS)
        memory = connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return _by_domains(connection)
    busy = sum(cpu.get(kind, 0) for kind in ("kernel", "user", "iowait", "intr"))
    free = sum(memory.get(kind, 0) for kind in ("free", "buffers", "cached"))
    used_bytes = (memory.get("total", 0) - free) * KIB
    return _Node(busy, busy + cpu.get("idle", 0), 1, used_bytes)


def _by_domains(connection: Connection) -> _Node:
    """Under Xen the host's own system is a guest as well, and what all guests use is all."""
    _, memory_mib, cores, *_ = connection.getInfo()
    busy = 0
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        with suppress(libvirt.libvirtError):  # it went away between two lines
            busy += domain.info()[4]
    return _Node(busy, 0, cores, memory_mib * KIB * KIB - connection.getFreeMemory())


def _is_ours(domain: Any) -> bool:
    try:
        return Domain.read(domain.XMLDesc(0)).guest_id is not None
    except libvirt.libvirtError:  # it went away between two lines
        return False


def read_guest(guest_id: UUID, counters: dict[str, Any]) -> GuestStats:
    """Add up libvirt's numbered counters (`block.0.rd.bytes`, `net.1.tx.bytes`)."""

    def total(group: str, what: str) -> int:
        count = counters.get(f"{group}.count", 0)
        return sum(counters.get(f"{group}.{index}.{what}", 0) for index in range(count))

    return GuestStats(
        guest_id=guest_id,
        cpu_time_ns=counters.get("cpu.time", 0),
        memory_used_bytes=counters.get("balloon.rss", 0) * KIB,
        disk_read_bytes=total("block", "rd.bytes"),
        disk_write_bytes=total("block", "wr.bytes"),
        network_read_bytes=total("net", "rx.bytes"),
        network_write_bytes=total("net", "tx.bytes"),
        disks=tuple(_disks(counters)),
    )


def _disks(counters: dict[str, Any]) -> Iterator[DiskStats]:
    """Those whose files bear a volume's id; discs are read alone, and nobody asks for them."""
    for index in range(counters.get("block.count", 0)):
        group = f"block.{index}"
        stem, _, suffix = counters.get(f"{group}.path", "").rpartition("/")[2].rpartition(".")
        if suffix != "qcow2":
            continue
        with suppress(ValueError):
            yield DiskStats(
                volume_id=UUID(stem),
                read_bytes=counters.get(f"{group}.rd.bytes", 0),
                write_bytes=counters.get(f"{group}.wr.bytes", 0),
                reads=counters.get(f"{group}.rd.reqs", 0),
                writes=counters.get(f"{group}.wr.reqs", 0),
            )


def read_traffic(lines: list[str]) -> tuple[int, int]:
    """Bytes received and sent by every interface but the loopback, from `/proc/net/dev`."""
    received = sent = 0
    for line in lines:
        name, _, numbers = line.partition(":")
        words = numbers.split()
        if name.strip() != "lo" and len(words) >= 9:
            received += int(words[0])
            sent += int(words[8])
    return received, sent
