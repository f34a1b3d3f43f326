"""A compute host in numbers: what Nova says of a hypervisor, or the project's share of a region."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drivers.contract.compute import DiskStats, GuestStats, HostFacts, HostStats
from drivers.contract.errors import DriverError, Refused
from drivers.openstack import names
from drivers.openstack.client import Client
from drivers.openstack.cloud import Cloud
from drivers.openstack.errors import Conflict, Denied, NotThere
from drivers.openstack.translate import volumes_of
from drivers.openstack.watch import Row

MIB = 1024**2
# What a project may use where its quota sets no bound.
UNBOUNDED_CORES, UNBOUNDED_MIB = 10_000, 64 * 1024**2
DIAGNOSES_AT_ONCE = 8
LOAD = re.compile(r"load average: *([0-9.]+)")
DAYS = re.compile(r"up +(\d+) +days?")


async def hypervisors(client: Client) -> list[Row]:
    """Nova's compute hosts. Denied: these credentials may not see them."""
    doing = "list the hypervisors of the region"
    said = await client.get("compute", "/os-hypervisors/detail", doing)
    rows: list[Row] = said["hypervisors"]
    return sorted(rows, key=lambda one: str(one["service"]["host"]))


async def hypervisor(client: Client, host: str) -> Row:
    try:
        found = [one for one in await hypervisors(client) if one["service"]["host"] == host]
    except Denied as denied:
        raise Refused(
            f"{client.region.user} may not see the compute hosts of region {client.region.name} "
            f"any more, so {host} cannot be driven alone: give the user the administrator's role"
        ) from denied
    if not found:
        raise Refused(f"region {client.region.name} has no compute host {host!r}")
    return found[0]


async def facts(client: Client, host: str, version: str) -> HostFacts:
    project_id = await client.project_id()
    where = f"{client.region.keystone} {client.region.name} {project_id}"
    shared: dict[str, Any] = {
        "cpu_mhz": client.settings.cpu_mhz,
        "capabilities": ("hvm", "openstack"),
    }
    if host:
        row = await hypervisor(client, host)
        kind = row["hypervisor_type"]
        return HostFacts(
            hardware_id=f"{where} {row['id']}",
            name=host,
            hypervisor_version=f"Nova {version}, {kind} {row['hypervisor_version']}",
            cpu_count=row["vcpus"],
            memory_bytes=row["memory_mb"] * MIB,
            accelerated=str(kind).upper() != "FAKE",
            detail=f"{row['hypervisor_hostname']}, {row['state']} and {row['status']}",
            **shared,
        )
    bounds = await _limits(client)
    return HostFacts(
        hardware_id=where,
        name=f"{client.region.name}-{client.region.project}",
        hypervisor_version=f"Nova {version}",
        cpu_count=_bound(bounds["maxTotalCores"], UNBOUNDED_CORES),
        memory_bytes=_bound(bounds["maxTotalRAMSize"], UNBOUNDED_MIB) * MIB,
        accelerated=True,
        detail=f"the share of project {client.region.project} in region {client.region.name}",
        **shared,
    )


async def stats(client: Client, host: str) -> HostStats:
    """Of a hypervisor its load; of a region how much of its quota the project uses."""
    if not host:
        said = await _limits(client)
        cores = _bound(said["maxTotalCores"], UNBOUNDED_CORES)
        used_mib = max(1, said["totalRAMUsed"])
        return _stats(100 * said["totalCoresUsed"] / cores, used_mib, 0)
    row = await hypervisor(client, host)
    told = ""
    try:
        path = f"/os-hypervisors/{row['id']}/uptime"
        said = (await client.get("compute", path, f"ask how long {host} is up"))["hypervisor"]
        told = said.get("uptime") or ""
    except DriverError:  # Not every hypervisor tells it.
        told = ""
    load, days = LOAD.search(told), DAYS.search(told)
    cpus = max(1, row["vcpus"])
    percent = 100 * (float(load[1]) if load else row["vcpus_used"]) / cpus
    return _stats(percent, row["memory_mb_used"], int(days[1]) * 86_400 if days else 0)


def _stats(percent: float, used_mib: int, uptime_s: int) -> HostStats:
    return HostStats(
        cpu_used_percent=min(100.0, percent),
        memory_used_bytes=used_mib * MIB,
        network_read_bytes=0,
        network_write_bytes=0,
        uptime_s=uptime_s,
    )


async def guest_stats(cloud: Cloud, rows: list[Row]) -> list[GuestStats]:
    """Nova tells counters of one server at a time only: a few are asked for at once."""
    running = [one for one in rows if one["status"] == "ACTIVE" and names.guest_of(one)]
    turns, found = asyncio.Semaphore(DIAGNOSES_AT_ONCE), list[GuestStats]()
    ids = {volume for one in running for volume in volumes_of(one)}
    volumes = await cloud.volumes.some(ids) if running else {}

    async def ask(row: Row) -> None:
        async with turns:
            path = f"/servers/{row['id']}/diagnostics"
            try:
                said = await cloud.client.get("compute", path, "ask for a guest's counters")
            except Denied:
                said = {}
            except (NotThere, Conflict):  # it stops just now
                return
            found.append(_of_guest(row, said, volumes))

    try:
        async with asyncio.TaskGroup() as group:
            for row in running:
                group.create_task(ask(row), name="diagnostics")
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return found


def _of_guest(row: Row, said: Mapping[str, Any], volumes: Mapping[str, Row]) -> GuestStats:
    """Diagnostics name neither disks nor cards: the disks are told in the order of the server's."""
    guest_id = names.guest_of(row)
    assert guest_id is not None
    disks, nics = said.get("disk_details") or [], said.get("nic_details") or []
    ours = [_volume_id(volumes.get(one)) for one in volumes_of(row)]
    used = (said.get("memory_details") or {}).get("used") or 0
    return GuestStats(
        guest_id=guest_id,
        cpu_time_ns=sum(one.get("time") or 0 for one in said.get("cpu_details") or []),
        memory_used_bytes=(used or row["flavor"].get("ram", 0)) * MIB,
        disk_read_bytes=_sum(disks, "read_bytes"),
        disk_write_bytes=_sum(disks, "write_bytes"),
        network_read_bytes=_sum(nics, "rx_octets"),
        network_write_bytes=_sum(nics, "tx_octets"),
        disks=tuple(
            DiskStats(
                volume_id=volume_id,
                read_bytes=one.get("read_bytes") or 0,
                write_bytes=one.get("write_bytes") or 0,
                reads=one.get("read_requests") or 0,
                writes=one.get("write_requests") or 0,
            )
            for volume_id, one in zip(ours, disks, strict=False)
            if volume_id is not None and len(ours) == len(disks)
        ),
    )


def _volume_id(volume: Row | None) -> UUID | None:
    return None if volume is None else names.uuid_of(volume["metadata"].get(names.VOLUME))


def _sum(rows: list[dict[str, Any]], name: str) -> int:
    return sum(one.get(name) or 0 for one in rows)


async def _limits(client: Client) -> dict[str, int]:
    said = await client.get("compute", "/limits", "ask Nova for the project's limits")
    found: dict[str, int] = said["limits"]["absolute"]
    return found


def _bound(limit: int, unbounded: int) -> int:
    return unbounded if limit < 0 else limit
