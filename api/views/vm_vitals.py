"""What a virtual machine was measured at, as the wire shows it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.declare import Cloud, Date, View, date, view
from projections.vitals import Sample
from projections.vm import Vm

KIB, MIB = 1024, 1024**2


def measured(row: Vm, cloud: Cloud) -> dict[str, Any]:
    """The fields of a guest's view that tell its last measurement; none before there is one."""
    last = cloud.vitals.last(row.id)
    if last is None:
        return {}
    busy = cloud.vitals.cpu_percent(row.id, row.cpu_count)
    return _counters(last) | {
        "cpu_used": None if busy is None else f"{busy:.2f}%",
        "memory_target_kbs": row.memory_mib * KIB,
        "memory_int_free_kbs": max(0, row.memory_mib * KIB - last.memory_used_bytes // KIB),
    }


def _counters(sample: Sample) -> dict[str, Any]:
    return {
        "memory_kbs": sample.memory_used_bytes // KIB,
        "network_kbs_read": sample.network_read_bytes // KIB,
        "network_kbs_write": sample.network_write_bytes // KIB,
        "disk_kbs_read": sample.disk_read_bytes // KIB,
        "disk_kbs_write": sample.disk_write_bytes // KIB,
    }


def in_words(row: Vm, cloud: Cloud) -> dict[str, Any]:
    """The same, and in words what metrics lists have of it besides."""
    last = cloud.vitals.last(row.id)
    if last is None:
        return {}
    return measured(row, cloud) | {
        "network_read": f"{last.network_read_bytes / MIB:.2f} MB",
        "network_write": f"{last.network_write_bytes / MIB:.2f} MB",
        "disk_read": f"{last.disk_read_bytes / MIB:.2f} MB",
        "disk_write": f"{last.disk_write_bytes / MIB:.2f} MB",
    }


@view
class VmSampleView(View, kw_only=True):
    """One measurement of a virtual machine."""

    timestamp: Annotated[Date, "when it was made"]
    cpu_used: Annotated[str, "how busy its cores were since the one before"]
    memory_kbs: Annotated[int, "memory in use in KiB"]
    network_kbs_read: Annotated[int, "KiB that it received so far"]
    network_kbs_write: Annotated[int, "KiB that it sent so far"]
    disk_kbs_read: Annotated[int, "KiB that it read from its disks so far"]
    disk_kbs_write: Annotated[int, "KiB that it wrote onto its disks so far"]


@view
class VmHistoryView(View, kw_only=True):
    """The measurements of a virtual machine of late."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its host name"]
    display_name: Annotated[str, "the name that people see"]
    stats: Annotated[list[VmSampleView], "its measurements, oldest first"]

    @classmethod
    def between(cls, row: Vm, cloud: Cloud, since_ms: int, until_ms: int) -> VmHistoryView:
        """Those of a span of time, its ends included."""
        stats = [
            VmSampleView(timestamp=date(sample.at_ms), cpu_used=f"{busy:.2f}%", **_counters(sample))
            for sample, busy in cloud.vitals.history(row.id, row.cpu_count)
            if since_ms <= sample.at_ms <= until_ms
        ]
        return cls(id=row.id, name=row.name, display_name=row.display_name, stats=stats)
