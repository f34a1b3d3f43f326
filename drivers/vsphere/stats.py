"""What hosts and guests use: rates of vSphere's, summed up to the counters of the contract.

A vCenter keeps no counters since a guest's start. It keeps a sample for each 20 seconds of the last
hour (QueryPerf), so what came since we last asked is added up; the sums live as long as the
connection, and start anew with it. One question serves all running guests of a host.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from drivers.contract.compute import GuestStats, HostStats, Power
from drivers.vsphere.client import Vcenter
from drivers.vsphere.guests import Guests
from drivers.vsphere.machines import Machine
from drivers.vsphere.sdk import Managed, vim

INTERVAL_S = 20
# Samples of an hour at most are kept; more than these were never asked for.
SAMPLES_MAX = 180
KIB, MIB = 1024, 1024**2
CPU, DISK_READ, DISK_WRITE = "cpu.usagemhz", "disk.read", "disk.write"
NET_READ, NET_WRITE = "net.received", "net.transmitted"
COUNTERS = (CPU, DISK_READ, DISK_WRITE, NET_READ, NET_WRITE)


@dataclass(slots=True)
class Sums:
    """What a guest or host has used since we first asked; `until` is the last sample counted."""

    until: datetime | None = None
    totals: dict[str, float] = field(default_factory=dict)

    def add(self, metric: Any, counters: dict[int, str]) -> None:
        """The samples of a metric since `until`; each is the mean of its 20 seconds."""
        stamps = [one.timestamp for one in metric.sampleInfo or ()]
        fresh = [n for n, stamp in enumerate(stamps) if self.until is None or stamp > self.until]
        if self.until is None:
            fresh = fresh[-1:]
        for series in metric.value or ():
            name = counters.get(series.id.counterId)
            if name is not None and not series.id.instance:
                values = [max(0, series.value[n]) for n in fresh if n < len(series.value)]
                self.totals[name] = self.totals.get(name, 0.0) + sum(values) * INTERVAL_S
        if stamps:
            self.until = max([*stamps, *([self.until] if self.until else [])])

    def bytes_of(self, name: str) -> int:
        return int(self.totals.get(name, 0.0) * KIB)


class Statistics:
    """The sums of one host and its guests."""

    def __init__(self, vcenter: Vcenter, guests: Guests) -> None:
        self._vcenter, self._guests = vcenter, guests
        self._counters: dict[int, str] = {}
        self._sums: dict[str, Sums] = {}

    async def host(self) -> HostStats:
        esx = self._guests.esx
        found = await self._vcenter.properties(
            vim.HostSystem,
            ("summary.quickStats", "hardware.cpuInfo.hz", "hardware.cpuInfo.numCpuCores"),
            start=esx.ref, doing=f"look at host {esx.name}",
        )  # fmt: skip
        quick = found[0].get("summary.quickStats") if found else None
        hz = int(found[0].get("hardware.cpuInfo.hz", 0)) if found else 0
        cores = int(found[0].get("hardware.cpuInfo.numCpuCores", 1)) if found else 1
        sums = (await self._summed([esx.ref]))[esx.ref._moId]
        mhz = max(1.0, cores * hz / 1e6)
        used = float(getattr(quick, "overallCpuUsage", 0) or 0)
        return HostStats(
            cpu_used_percent=min(100.0, 100.0 * used / mhz),
            memory_used_bytes=int(getattr(quick, "overallMemoryUsage", 0) or 0) * MIB,
            network_read_bytes=sums.bytes_of(NET_READ),
            network_write_bytes=sums.bytes_of(NET_WRITE),
            uptime_s=int(getattr(quick, "uptime", 0) or 0),
        )

    async def guests(self) -> list[GuestStats]:
        machines = [
            (one, note.guest)
            for one in await self._guests.machines()
            if one.power is Power.RUNNING and (note := one.note) is not None
        ]
        refs = [one.ref for one, _ in machines]
        found = await self._vcenter.properties(
            vim.VirtualMachine,
            ("summary.quickStats.guestMemoryUsage", "summary.quickStats.hostMemoryUsage"),
            start=refs, doing="look at the guests' memory",
        )  # fmt: skip
        memory = {
            one.ref._moId: int(
                one.get("summary.quickStats.hostMemoryUsage")
                or one.get("summary.quickStats.guestMemoryUsage")
                or 0
            )
            for one in found
        }
        host = await self._vcenter.properties(
            vim.HostSystem, ("hardware.cpuInfo.hz",),
            start=self._guests.esx.ref, doing="look at the host's clock",
        )  # fmt: skip
        mhz = max(1.0, int(host[0].get("hardware.cpuInfo.hz", 0)) / 1e6) if host else 1.0
        sums = await self._summed(refs)
        return [
            _told(machine, guest, sums[machine.ref._moId], memory, mhz)
            for machine, guest in machines
        ]

    async def _summed(self, refs: list[Managed]) -> dict[str, Sums]:
        """One question for all of them: samples since the oldest that any of them lacks."""
        if refs:
            found = await self._vcenter.read(lambda: self._ask(refs), doing="ask for samples")
            for metric in found:
                sums = self._sums.setdefault(metric.entity._moId, Sums())
                sums.add(metric, self._counters)
        return {ref._moId: self._sums.setdefault(ref._moId, Sums()) for ref in refs}

    def _ask(self, refs: list[Managed]) -> Iterable[Any]:
        """In a thread."""
        manager = self._vcenter.content.perfManager
        if not self._counters:
            self._counters = {
                one.key: f"{one.groupInfo.key}.{one.nameInfo.key}"
                for one in manager.perfCounter
                if f"{one.groupInfo.key}.{one.nameInfo.key}" in COUNTERS
                and str(one.rollupType) == "average"
            }
        wanted = [
            vim.PerformanceManager.MetricId(counterId=key, instance="") for key in self._counters
        ]
        specs = []
        for ref in refs:
            before = self._sums.get(ref._moId)
            spec = vim.PerformanceManager.QuerySpec(
                entity=ref, metricId=wanted, intervalId=INTERVAL_S, format="normal"
            )
            spec.maxSample = SAMPLES_MAX if before is not None else 1
            if before is not None and before.until is not None:
                spec.startTime = before.until
            specs.append(spec)
        return list(manager.QueryPerf(specs) or ())


def _told(
    machine: Machine, guest: UUID, sums: Sums, memory: dict[str, int], mhz: float
) -> GuestStats:
    return GuestStats(
        guest_id=guest,
        cpu_time_ns=int(sums.totals.get(CPU, 0.0) / mhz * 1e9),
        memory_used_bytes=memory.get(machine.ref._moId, 0) * MIB,
        disk_read_bytes=sums.bytes_of(DISK_READ),
        disk_write_bytes=sums.bytes_of(DISK_WRITE),
        network_read_bytes=sums.bytes_of(NET_READ),
        network_write_bytes=sums.bytes_of(NET_WRITE),
    )
