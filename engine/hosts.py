"""Connections to hosts: made when first needed, one attempt at a time per host, and kept.

Whoever waits for an attempt has its outcome: should each make one of its own behind the others, a
hundred guests that need a host without power would wait for it one after the other.

A host is reached as its row in the log says, with its password from the vault. A session that was
lost heals itself by the driver's contract; one whose host has another address by now is replaced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import TypeVar
from uuid import UUID

from aggregates.host import Host, HostState, ResourceState
from aggregates.storage_pool import StoragePool
from drivers.contract.compute import HostAddress, Stranger
from drivers.contract.driver import Capabilities, HostSession
from drivers.contract.errors import DriverError, Refused, Unavailable
from drivers.contract.storage import PoolSpec
from engine.drivers import Drivers
from engine.vault import Vault
from projections.cloud import Cloud
from projections.cluster import clusters
from projections.host import hosts
from projections.storage_pool import storage_pools

T = TypeVar("T")

CONNECT_S = 30.0
# How many hosts are tried before a pool is called unreachable.
TRIES_MAX = 8


@dataclass(frozen=True, slots=True)
class Failed:
    """The last attempt to connect a host that has none since; each is another one."""

    address: HostAddress
    how: type[DriverError]
    why: str


class HostRegistry:
    """Fulfils `engine.world.Hosts` over the drivers that there are."""

    def __init__(
        self, cloud: Cloud, drivers: Drivers, vault: Vault, *, connect_s: float = CONNECT_S
    ) -> None:
        self._cloud, self._drivers, self._vault = cloud, drivers, vault
        self._connect_s = connect_s
        self._sessions: dict[UUID, tuple[HostAddress, HostSession]] = {}
        self._turns: dict[UUID, asyncio.Lock] = {}
        self._failed: dict[UUID, Failed] = {}
        self._turn = count()

    def kinds(self) -> list[str]:
        return self._drivers.kinds()

    def kind(self, hypervisor: str) -> str:
        return self._drivers.get(hypervisor).kind

    def capabilities(self, hypervisor: str) -> Capabilities:
        return self._drivers.get(hypervisor).capabilities

    async def discover(self, hypervisor: str, address: HostAddress) -> tuple[HostAddress, ...]:
        """The hosts that an address stands for; `Unavailable` if nobody answers in time."""
        try:
            async with asyncio.timeout(self._connect_s):
                return await self._drivers.get(hypervisor).discover(address)
        except TimeoutError:
            raise Unavailable(f"nobody answered within {self._connect_s:.0f} s") from None

    async def survey(self, hypervisor: str, address: HostAddress) -> list[Stranger]:
        """The guests of a host that need not be here which no controller made."""
        try:
            async with asyncio.timeout(self._connect_s):
                session = await self._drivers.get(hypervisor).connect(address)
                try:
                    return await session.survey_strangers()
                finally:
                    await session.close()
        except TimeoutError:
            raise Unavailable(
                f"{address.url} did not answer within {self._connect_s:.0f} s"
            ) from None

    async def session(self, host_id: UUID) -> HostSession:
        """The host, connected; `Unavailable` while it cannot be reached."""
        host = self._host(host_id)
        known = self._sessions.get(host_id)
        if known is not None and (known[0].url, known[0].username) == (host.url, host.username):
            return known[1]
        failed_before = self._failed.get(host_id)
        async with self._turns.setdefault(host_id, asyncio.Lock()):
            address = await self.address(host_id)
            known = self._sessions.get(host_id)
            if known is not None and known[0] == address:
                return known[1]
            failed = self._failed.get(host_id)
            if failed is not None and failed is not failed_before and failed.address == address:
                raise failed.how(failed.why)
            await self._close(host_id)
            self._sessions[host_id] = (address, await self._attempt(host, address))
            return self._sessions[host_id][1]

    async def address(self, host_id: UUID) -> HostAddress:
        """How the host is reached; its password is read from the vault."""
        host = self._host(host_id)
        password = ""
        if host.password_ref:
            try:
                password = await self._vault.get(UUID(host.password_ref))
            except KeyError as gone:
                raise Refused(
                    f"the password of host {host.name} was shredded: update the host"
                ) from gone
        return HostAddress(url=host.url, username=host.username, password=password)

    async def with_pool(self, pool_id: UUID) -> tuple[HostSession, PoolSpec]:
        """Some connected host that reaches the pool, and the pool as drivers name it."""
        pool = self._cloud[storage_pools].get(pool_id)
        if pool is None:
            raise Refused(f"there is no storage pool {pool_id}")
        said = []
        for host in self._near(pool):
            try:
                return await self.session(host.id), PoolSpec(pool_id=pool.id, url=pool.url)
            except (Unavailable, Refused) as error:
                said.append(f"{host.name}: {error}")
        tried = "; ".join(said) or "no host that is Up is in its reach"
        raise Unavailable(f"storage pool {pool.name} cannot be reached now: {tried}")

    async def drop(self, host_id: UUID) -> None:
        async with self._turns.setdefault(host_id, asyncio.Lock()):
            await self._close(host_id)
        if host_id not in self._cloud[hosts]:
            self._turns.pop(host_id, None)
            self._failed.pop(host_id, None)

    async def close(self) -> None:
        """Let go of every connection; guests are not touched."""
        for host_id in list(self._sessions):
            await self._close(host_id)

    def _host(self, host_id: UUID) -> Host:
        host = self._cloud[hosts].get(host_id)
        if host is None:
            raise Refused(f"there is no host {host_id}: it was removed")
        return host

    def _near(self, pool: StoragePool) -> list[Host]:
        """A few hosts that reach the pool, beginning with other ones each time.

        No more are looked at than it takes to find these, so that a cluster, or a zone, of
        thousands costs no more than a small one.
        """
        turn = next(self._turn)
        groups: Iterable[UUID]
        if pool.cluster_id is not None:
            groups = (pool.cluster_id,)
        else:
            there = self._cloud[clusters].by("zone_id", pool.zone_id)
            groups = (cluster.id for cluster in _rotated(there, turn))
        up = (
            host
            for cluster_id in groups
            for host in self._usable(cluster_id, turn)
            if pool.host_id in (None, host.id) and pool.hypervisor in ("Any", host.hypervisor)
        )
        return list(islice(up, TRIES_MAX))

    def _usable(self, cluster_id: UUID, turn: int) -> Iterator[Host]:
        """The hosts of a cluster that answer; those that an operator keeps free come last."""
        kept_free = []
        for host in _rotated(self._cloud[hosts].by("cluster_id", cluster_id), turn):
            if host.state is not HostState.UP:
                continue
            if host.resource_state is ResourceState.ENABLED:
                yield host
            else:
                kept_free.append(host)
        yield from kept_free

    async def _attempt(self, host: Host, address: HostAddress) -> HostSession:
        try:
            session = await self._connect(host, address)
        except DriverError as error:
            self._failed[host.id] = Failed(address, type(error), str(error))
            raise
        self._failed.pop(host.id, None)
        return session

    async def _connect(self, host: Host, address: HostAddress) -> HostSession:
        try:
            async with asyncio.timeout(self._connect_s):
                return await self._drivers.get(host.hypervisor).connect(address)
        except TimeoutError:
            raise Unavailable(
                f"host {host.name} did not answer within {self._connect_s:.0f} s"
            ) from None

    async def _close(self, host_id: UUID) -> None:
        known = self._sessions.pop(host_id, None)
        if known is not None:
            await known[1].close()


def _rotated(items: Sequence[T], turn: int) -> Iterator[T]:
    """The same items, beginning with another one each turn. None is looked at before its time."""
    for at in range(len(items)):
        yield items[(turn + at) % len(items)]
