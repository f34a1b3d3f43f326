"""Counters of a host and of its guests, from the host's own `rrd_updates`: one call for all.

XAPI keeps averages of each five seconds and no counters, so what is told here is added up from
them. It begins with what the archive still knows at the first look (ten minutes at most), grows
with each look, and begins anew with the guest: never less than before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from drivers.contract.compute import DiskStats, GuestStats, HostStats
from drivers.contract.errors import Unavailable
from drivers.kit.answers import whole
from drivers.xapi import marks, translate
from drivers.xapi.client import Line
from drivers.xapi.observe import Pool, look

BEHIND_S = 600
LOOK_S = 60.0
KIB = 1024
GAUGES = ("memory", "memory_internal_free", "memory_free_kib", "memory_total_kib", "cpu_avg")


@dataclass(slots=True)
class Sums:
    """What has been added up of one guest or host. `latest` are gauges and not sums."""

    started: str = ""
    totals: dict[str, float] = field(default_factory=dict)
    latest: dict[str, float] = field(default_factory=dict)

    def total(self, *ends: str, starts: str = "") -> int:
        return int(
            sum(v for k, v in self.totals.items() if k.startswith(starts) and k.endswith(ends))
        )


@dataclass(frozen=True, slots=True)
class Column:
    kind: str
    uuid: str
    source: str


def read_legend(legend: Iterable[str]) -> list[Column | None]:
    """`AVERAGE:vm:<uuid>:vbd_xvda_read` and alike; what is not understood is left out."""
    columns: list[Column | None] = []
    for entry in legend:
        words = entry.split(":", 3)
        known = len(words) == 4 and words[0] == "AVERAGE" and words[1] in ("vm", "host")
        columns.append(Column(*words[1:]) if known else None)
    return columns


def add_up(told: Mapping[str, Any], since_s: int, sums: dict[tuple[str, str], Sums]) -> int:
    """Add the rows that are newer than the last look; gives the time of the newest."""
    columns, step_s = read_legend(told["meta"]["legend"]), int(told["meta"]["step"])
    newest_s = since_s
    for row in sorted(told["data"], key=lambda one: int(one["t"])):
        at_s = int(row["t"])
        if at_s <= since_s:
            continue
        newest_s = max(newest_s, at_s)
        for column, value in zip(columns, row["values"], strict=False):
            number = _number(value)
            if column is None or number is None:
                continue
            one = sums.setdefault((column.kind, column.uuid), Sums())
            if column.source in GAUGES:
                one.latest[column.source] = number
            else:
                one.totals[column.source] = one.totals.get(column.source, 0.0) + number * step_s
    return newest_s


def _number(value: Any) -> float | None:
    """Where nothing is known, XAPI says NaN, bare or as a string."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


class Statistics:
    """What was added up of one host and its guests since the session began."""

    def __init__(self, line: Line, host_uuid: str) -> None:
        self._line, self._host_uuid = line, host_uuid
        self._sums: dict[tuple[str, str], Sums] = {}
        self._since_s = 0

    async def _read(self) -> tuple[str, float]:
        """Ask the host for what is new; gives its reference and its time."""
        line = self._line
        host = await line.host(self._host_uuid)
        now_s = _seconds(await line.call("host.get_servertime", host))
        if not self._since_s:
            self._since_s = int(now_s) - BEHIND_S
        query = {
            "start": str(self._since_s), "cf": "AVERAGE", "interval": "5", "host": "true",
            "json": "true",
        }  # fmt: skip
        address = await line.call("host.get_address", host)
        async with line.door("GET", address, "/rrd_updates", query, limit_s=LOOK_S) as answer:
            body = await whole(answer)
        try:
            self._since_s = add_up(json.loads(body), self._since_s, self._sums)
        except (ValueError, LookupError, TypeError) as error:
            raise Unavailable(f"{address}: its statistics cannot be read: {error!r}") from error
        return host, now_s

    async def host(self) -> HostStats:
        ref, now_s = await self._read()
        record = await self._line.call("host.get_record", ref)
        metrics = await self._line.call("host_metrics.get_record", record["metrics"])
        sums = self._sums.get(("host", self._host_uuid), Sums())
        boot_s = _number(record["other_config"].get("boot_time", "").rstrip(".")) or now_s
        return HostStats(
            cpu_used_percent=min(100.0, max(0.0, 100.0 * sums.latest.get("cpu_avg", 0.0))),
            memory_used_bytes=int(metrics["memory_total"]) - int(metrics["memory_free"]),
            network_read_bytes=sums.total("pif_aggr_rx"),
            network_write_bytes=sums.total("pif_aggr_tx"),
            uptime_s=max(0, int(now_s - boot_s)),
        )

    async def guests(self) -> list[GuestStats]:
        ref, _ = await self._read()
        pool = await look(self._line, ref)
        there = {("vm", record["uuid"]) for record in pool.guests.values()}
        self._sums = {
            name: sums for name, sums in self._sums.items() if name in there or name[0] == "host"
        }
        return [
            told
            for record in pool.guests.values()
            if record["power_state"] in ("Running", "Paused")
            if (told := self._told(pool, record)) is not None
        ]

    def _told(self, pool: Pool, record: marks.Record) -> GuestStats | None:
        guest_id = translate.guest_id_of(record)
        if guest_id is None:
            return None
        sums = self._sums.setdefault(("vm", record["uuid"]), Sums())
        metrics = pool.metrics.get(record["metrics"])
        started = str(metrics["start_time"]) if metrics is not None else ""
        if sums.started and started != sums.started:
            sums.totals.clear()
        sums.started = started
        free = int(sums.latest.get("memory_internal_free", 0.0)) * KIB
        memory = int(sums.latest.get("memory", float(record["memory_dynamic_max"])))
        cpu = sum(v for k, v in sums.totals.items() if k[:3] == "cpu" and k[3:].isdigit())
        return GuestStats(
            guest_id=guest_id,
            cpu_time_ns=int(cpu * 1e9),
            memory_used_bytes=max(0, memory - free),
            disk_read_bytes=_disk_total(sums, "_read"),
            disk_write_bytes=_disk_total(sums, "_write"),
            network_read_bytes=sums.total("_rx", starts="vif_"),
            network_write_bytes=sums.total("_tx", starts="vif_"),
            disks=tuple(_disks(pool, record, sums)),
        )


def _disk_total(sums: Sums, end: str) -> int:
    """`vbd_xvda_read` is of bytes, and `vbd_xvda_iops_read` is not."""
    return int(
        sum(
            value
            for name, value in sums.totals.items()
            if name.startswith("vbd_") and name.endswith(end) and name.count("_") == 2
        )
    )


def _disks(pool: Pool, record: marks.Record, sums: Sums) -> Iterable[DiskStats]:
    for device in pool.devices(record):
        volume = device["other_config"].get(marks.VOLUME)
        if volume and device["type"] == "Disk" and device["device"]:
            name = f"vbd_{device['device']}"
            totals = sums.totals
            yield DiskStats(
                volume_id=UUID(volume),
                read_bytes=int(totals.get(f"{name}_read", 0)),
                write_bytes=int(totals.get(f"{name}_write", 0)),
                reads=int(totals.get(f"{name}_iops_read", 0)),
                writes=int(totals.get(f"{name}_iops_write", 0)),
            )


def _seconds(stamp: str) -> float:
    """`20260131T10:00:00Z`, as XAPI says times."""
    text = stamp.replace("-", "")
    return datetime.strptime(text, "%Y%m%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
