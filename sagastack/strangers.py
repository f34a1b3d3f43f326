"""Guests that no controller made, as the hosts of a cluster show them now. Nothing is changed."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote, urlsplit
from uuid import UUID

from aggregates.host import HostState
from aggregates.storage_pool import PoolState
from drivers.contract.compute import HostAddress, Stranger
from drivers.contract.driver import HostSession
from drivers.contract.errors import DriverError
from drivers.contract.storage import PoolSpec
from engine.intents.adopt import FoundDisk, FoundElsewhere, FoundGuest, FoundNic
from engine.world import Hosts
from projections.cloud import Cloud
from projections.host import Host, hosts
from projections.storage_pool import is_reached, storage_pools

# How many hosts that are not ours are asked at a time.
HOSTS_AT_ONCE = 8


async def strangers(cloud: Cloud, registry: Hosts, cluster_id: UUID) -> list[FoundGuest]:
    """Those of every host that answers, in the order of their names."""
    found: list[FoundGuest] = []
    for host in list(cloud[hosts].by("cluster_id", cluster_id)):
        if host.state is HostState.UP:
            try:
                found += await _on_host(cloud, registry, host)
            except DriverError:
                continue  # what a silent host runs is not known now
    return sorted(found, key=lambda one: one.name)


async def _on_host(cloud: Cloud, registry: Hosts, host: Host) -> list[FoundGuest]:
    session = await registry.session(host.id)
    seen = await session.survey_strangers()
    pools = await _pools(cloud, session, host) if seen else {}
    formats = registry.capabilities(host.hypervisor).adopted_formats
    return [_found(host, stranger, pools, formats) for stranger in seen]


async def _pools(cloud: Cloud, session: HostSession, host: Host) -> dict[str, UUID]:
    """In which pool each image lies that the host reaches."""
    where: dict[str, UUID] = {}
    for pool in list(cloud[storage_pools].by("zone_id", host.zone_id)):
        if pool.state is PoolState.UP and is_reached(pool, host):
            listed = await session.list_disks(PoolSpec(pool_id=pool.id, url=pool.url))
            where |= {disk.path: pool.id for disk in listed}
    return where


async def strangers_at(
    cloud: Cloud, registry: Hosts, hypervisor: str, address: HostAddress
) -> list[FoundElsewhere]:
    """Those of every host that an address stands for, a few hosts at a time."""
    there = await registry.discover(hypervisor, address)
    gate = asyncio.Semaphore(HOSTS_AT_ONCE)
    ours = {host.url: host.id for host in cloud[hosts]}

    async def on(one: HostAddress) -> list[FoundElsewhere]:
        async with gate:
            try:
                seen = await registry.survey(hypervisor, one)
            except DriverError:
                return []  # what a silent host runs is not known now
        return [_elsewhere(hypervisor, one.url, ours.get(one.url), stranger) for stranger in seen]

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(on(one), name=f"survey {one.url}") for one in there]
    found = [guest for one in asked for guest in one.result()]
    return sorted(found, key=lambda one: one.name)


def _elsewhere(
    hypervisor: str, url: str, host_id: UUID | None, stranger: Stranger
) -> FoundElsewhere:
    names = [unquote(one) for one in urlsplit(url).path.split("/") if one]
    return FoundElsewhere(
        host_id=host_id,
        host_name=names[-1] if names else url,
        cluster_name=names[-2] if len(names) > 1 else "",
        hypervisor=hypervisor,
        name=stranger.name,
        power=stranger.power.value,
        cpu_count=stranger.cpu_count,
        memory_mib=stranger.memory_mib,
        disks=_disks(stranger, {}, ()),
        nics=_nics(stranger),
    )


def _found(
    host: Host, stranger: Stranger, pools: dict[str, UUID], formats: tuple[str, ...]
) -> FoundGuest:
    return FoundGuest(
        host_id=host.id,
        name=stranger.name,
        power=stranger.power.value,
        cpu_count=stranger.cpu_count,
        memory_mib=stranger.memory_mib,
        disks=_disks(stranger, pools, formats),
        nics=_nics(stranger),
    )


def _disks(
    stranger: Stranger, pools: dict[str, UUID], formats: tuple[str, ...]
) -> tuple[FoundDisk, ...]:
    return tuple(
        FoundDisk(
            label=disk.label,
            path=disk.path,
            size_bytes=disk.size_bytes,
            image_format=disk.image_format,
            pool_id=pools.get(disk.path),
            convert_to="" if disk.image_format in formats or not formats else formats[0],
        )
        for disk in stranger.disks
    )


def _nics(stranger: Stranger) -> tuple[FoundNic, ...]:
    return tuple(FoundNic(mac=nic.mac, bridge=nic.bridge) for nic in stranger.nics)
