"""Measures every host, and every guest that runs, host by host, into memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from aggregates.host import HostState
from aggregates.vm import VmState
from drivers.contract.compute import GuestStats
from drivers.contract.driver import HostSession
from engine.chores.chore import chore
from engine.engine import Engine
from engine.failure import Caught, failure_of
from engine.side_by_side import side_by_side
from projections.host import hosts
from projections.pieces import pieces
from projections.setting import number_of
from projections.vitals import DiskSample, HostSample, Reading, Sample
from projections.vm import vms

log_ = logging.getLogger("sagastack.vitals")

T = TypeVar("T")

SIDE_BY_SIDE = 16
ANSWER_S = 10.0
NOTED_AT_ONCE = 100
"""How many guests are noted, in about a millisecond, before others have their turns."""
TURNS = 4


@chore(every_s=5)
async def measure_guests(engine: Engine, now_ms: int) -> None:
    """Ask each host that runs guests for their counters; one that says nothing is passed over."""
    vitals, cloud = engine.cloud.vitals, engine.cloud
    interval_ms = number_of(cloud, "vm.stats.interval")
    if not interval_ms or vitals.measured_at_ms + interval_ms > now_ms:
        return
    vitals.measured_at_ms = now_ms
    async for some in pieces(vitals.guests()):
        for vm_id in some:
            if not _runs(engine, vm_id):
                vitals.forget(vm_id)

    noting = asyncio.Lock()

    async def measure(host_id: UUID | None) -> None:
        host = cloud[hosts].get(host_id)
        if host is None or host.state is not HostState.UP:
            return
        found = await _asked(engine, host.id, lambda session: session.guest_stats()) or ()
        async with noting:
            async for few in pieces(found, most=NOTED_AT_ONCE, turns=TURNS):
                for stats in few:
                    _note(engine, host.id, stats, now_ms)

    await side_by_side(cloud[vms].counts("host_id"), measure, most=SIDE_BY_SIDE)
    vitals.tell()


def _runs(engine: Engine, vm_id: UUID) -> bool:
    table = engine.cloud[vms]
    return vm_id in table and table.glance(vm_id.int).state is VmState.RUNNING


async def _asked(
    engine: Engine, host_id: UUID, what: Callable[[HostSession], Awaitable[T]]
) -> T | None:
    """What a host says; None if it does not answer, or what it says is of no use.

    Whatever is wrong with one host, the others are measured.
    """
    with Caught() as caught:
        async with asyncio.timeout(ANSWER_S):
            return await what(await engine.hosts.session(host_id))
    assert caught.error is not None
    kind, text = failure_of(caught.error)
    if kind == "Bug":
        log_.warning("host %s is not measured: %s", host_id, text, exc_info=caught.error)
    return None


def _note(engine: Engine, host_id: UUID, stats: GuestStats, now_ms: int) -> None:
    """Take down what one guest was measured at, if it is still there."""
    vm_id, table, vitals = stats.guest_id, engine.cloud[vms], engine.cloud.vitals
    if vm_id not in table or table.glance(vm_id.int).host_id != host_id:
        return
    sample = Sample(
        at_ms=now_ms,
        cpu_time_ns=stats.cpu_time_ns,
        memory_used_bytes=stats.memory_used_bytes,
        disk_read_bytes=stats.disk_read_bytes,
        disk_write_bytes=stats.disk_write_bytes,
        network_read_bytes=stats.network_read_bytes,
        network_write_bytes=stats.network_write_bytes,
    )
    vitals.note(vm_id, sample)
    disks = {
        disk.volume_id: DiskSample(disk.read_bytes, disk.write_bytes, disk.reads, disk.writes)
        for disk in stats.disks
    }
    vitals.note_disks(vm_id, disks)


@chore(every_s=5)
async def measure_hosts(engine: Engine, now_ms: int) -> None:
    """Ask each host that is Up how busy it is; of one that says nothing, nothing is known."""
    vitals, cloud = engine.cloud.vitals, engine.cloud
    interval_ms = number_of(cloud, "host.stats.interval")
    if not interval_ms or vitals.hosts_at_ms + interval_ms > now_ms:
        return
    vitals.hosts_at_ms = now_ms

    async def measure(host_id: UUID) -> None:
        await _measure_host(engine, host_id, now_ms)

    ids = [host.id for host in cloud[hosts].each()]
    await side_by_side(ids, measure, most=SIDE_BY_SIDE)


async def _measure_host(engine: Engine, host_id: UUID, now_ms: int) -> None:
    vitals, host = engine.cloud.vitals, engine.cloud[hosts].get(host_id)
    if host is None or host.state is not HostState.UP:
        vitals.note_host(host_id, None)
        return
    stats = await _asked(engine, host_id, lambda session: session.host_stats())
    if stats is None:
        vitals.note_host(host_id, None)
        return
    sample = HostSample(
        at_ms=now_ms,
        cpu_used_percent=stats.cpu_used_percent,
        memory_used_bytes=stats.memory_used_bytes,
        network_read_bytes=stats.network_read_bytes,
        network_write_bytes=stats.network_write_bytes,
        uptime_s=stats.uptime_s,
        sensors=tuple(
            Reading(one.name, one.value, one.unit, one.health)
            for one in stats.sensors
            if one.value is not None
        ),
    )
    vitals.note_host(host_id, sample)
