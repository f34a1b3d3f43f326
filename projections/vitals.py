"""What guests and hosts were measured at of late: in memory alone, and gone with the process.

Measurements are no facts of the log: they are many, they are soon of no interest, and nothing is
decided by them. A cloud of the past has none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

KEPT = 60
TOLD_AT_ONCE = 16_384


class Sample(NamedTuple):
    """The counters of a guest at one moment. All but the memory only rise while it runs."""

    at_ms: int
    cpu_time_ns: int
    memory_used_bytes: int
    disk_read_bytes: int
    disk_write_bytes: int
    network_read_bytes: int
    network_write_bytes: int


class DiskSample(NamedTuple):
    """The counters of one disk of a guest, since that started."""

    read_bytes: int
    write_bytes: int
    reads: int
    writes: int


class Reading(NamedTuple):
    """What one of a host's instruments showed."""

    name: str
    value: float
    unit: str
    health: str


class HostSample(NamedTuple):
    """What a host said of itself at one moment. Bytes over its network are since it started."""

    at_ms: int
    cpu_used_percent: float
    memory_used_bytes: int
    network_read_bytes: int
    network_write_bytes: int
    uptime_s: int
    sensors: tuple[Reading, ...] = ()


class Vitals:
    """The last samples of each guest that runs, and the last of each host.

    `measured_at_ms` and `hosts_at_ms` are when all were last asked. `watch` is told of the guests
    and disks whose samples are others now: of many together, as whoever shows a page of them makes
    it anew each time.
    """

    def __init__(self) -> None:
        self.measured_at_ms = self.hosts_at_ms = 0
        self.watch: Callable[[Iterable[UUID]], None] = lambda measured: None
        self._untold: list[UUID] = []
        self._hosts: dict[UUID, HostSample] = {}
        self._samples: dict[UUID, deque[Sample]] = {}
        self._disks: dict[UUID, DiskSample] = {}
        self._disks_of: dict[UUID, frozenset[UUID]] = {}

    def note(self, vm_id: UUID, sample: Sample) -> None:
        """Add a measurement. Counters that fell are those of another life of the guest."""
        known = self._samples.setdefault(vm_id, deque(maxlen=KEPT))
        if known and known[-1].cpu_time_ns > sample.cpu_time_ns:
            known.clear()
        if not known or known[-1].at_ms < sample.at_ms:
            known.append(sample)
        self._changed(vm_id)

    def guests(self) -> list[UUID]:
        """Those that were measured, whether they still run or not."""
        return list(self._samples)

    def forget(self, vm_id: UUID) -> None:
        """A guest runs no more."""
        if self._samples.pop(vm_id, None) is not None:
            self._changed(vm_id)
            self.note_disks(vm_id, {})

    def note_disks(self, vm_id: UUID, found: dict[UUID, DiskSample]) -> None:
        """What the disks of a guest were measured at; those that it has no more are forgotten."""
        before = self._disks_of.pop(vm_id, frozenset())
        for volume_id in before - found.keys():
            self._disks.pop(volume_id, None)
        if found:
            self._disks_of[vm_id] = frozenset(found)
        self._disks |= found
        for volume_id in before | found.keys():
            self._changed(volume_id)

    def tell(self) -> None:
        """Tell of those that are others now and were not told of yet."""
        untold, self._untold = self._untold, []
        if untold:
            self.watch(untold)

    def _changed(self, measured_id: UUID) -> None:
        self._untold.append(measured_id)
        if len(self._untold) >= TOLD_AT_ONCE:
            self.tell()

    def disk(self, volume_id: UUID) -> DiskSample | None:
        """The newest counters of a disk, while its guest runs."""
        return self._disks.get(volume_id)

    def note_host(self, host_id: UUID, sample: HostSample | None) -> None:
        """The newest measurement of a host; None for one that does not answer."""
        if sample is None:
            self._hosts.pop(host_id, None)
        else:
            self._hosts[host_id] = sample

    def host(self, host_id: UUID) -> HostSample | None:
        return self._hosts.get(host_id)

    def hosts(self) -> Iterable[tuple[UUID, HostSample]]:
        """Each host that was measured, with its newest measurement."""
        return self._hosts.items()

    def last(self, vm_id: UUID) -> Sample | None:
        known = self._samples.get(vm_id)
        return known[-1] if known else None

    def cpu_percent(self, vm_id: UUID, cpu_count: int) -> float | None:
        """How busy its cores were between its last two samples."""
        known = self._samples.get(vm_id)
        if known is None or len(known) < 2:
            return None
        return _busy(known[-2], known[-1], cpu_count)

    def history(self, vm_id: UUID, cpu_count: int) -> Iterator[tuple[Sample, float]]:
        """Each sample but the first, with how busy its cores were since the one before."""
        for before, after in pairwise(self._samples.get(vm_id, ())):
            yield after, _busy(before, after, cpu_count)


def _busy(before: Sample, after: Sample, cpu_count: int) -> float:
    span_ns = (after.at_ms - before.at_ms) * 1_000_000 * max(1, cpu_count)
    return 100.0 * (after.cpu_time_ns - before.cpu_time_ns) / span_ns
