"""By which host a pool is reached: one that answers, found by few looks, and another each time."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from aggregates.host import HostState, ResourceState
from drivers.contract.errors import Unavailable
from engine.hosts import TRIES_MAX, HostRegistry
from projections.cluster import clusters
from projections.host import hosts
from projections.storage_pool import storage_pools

ZONE = uuid4()


class Looked(Sequence[Any]):
    """Rows that count how often one is looked at."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows, self.looks = rows, 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Any) -> Any:
        self.looks += 1
        return self.rows[place]


class Tables:
    """A zone of clusters of so many hosts, and pools."""

    def __init__(self, cluster_count: int, host_count: int) -> None:
        self.clusters = Looked([SimpleNamespace(id=uuid4()) for _ in range(cluster_count)])
        self.hosts = {
            cluster.id: Looked([self.host(cluster.id) for _ in range(host_count)])
            for cluster in self.clusters.rows
        }
        self.pools: dict[UUID, Any] = {}

    def host(self, cluster_id: UUID) -> Any:
        return SimpleNamespace(
            id=uuid4(), name="host", cluster_id=cluster_id, hypervisor="KVM",
            state=HostState.UP, resource_state=ResourceState.ENABLED,
        )  # fmt: skip

    def pool(self, cluster_id: UUID | None, **more: Any) -> UUID:
        made = SimpleNamespace(
            id=uuid4(), name="pool", url="sim://pool", zone_id=ZONE, cluster_id=cluster_id,
            **{"host_id": None, "hypervisor": "Any"} | more,
        )  # fmt: skip
        self.pools[made.id] = made
        return made.id

    def __getitem__(self, spec: Any) -> Any:
        by = {hosts: lambda _, value: self.hosts[value], clusters: lambda *_: self.clusters}
        return SimpleNamespace(by=by.get(spec), get=self.pools.get if spec is storage_pools else 0)

    @property
    def looks(self) -> int:
        return self.clusters.looks + sum(one.looks for one in self.hosts.values())


class Registry(HostRegistry):
    """Connects to every host but those that are `dead`."""

    def __init__(self, tables: Any) -> None:
        super().__init__(tables, None, None)  # type: ignore[arg-type]
        self.dead: set[UUID] = set()

    async def session(self, host_id: UUID) -> Any:
        if host_id in self.dead:
            raise Unavailable("it does not answer")
        return host_id


async def reached(registry: Registry, pool_id: UUID, times: int = 1) -> list[Any]:
    return [(await registry.with_pool(pool_id))[0] for _ in range(times)]


@pytest.mark.parametrize("is_of_zone", [False, True])
async def test_a_large_cloud_costs_no_more_than_a_small_one(is_of_zone: bool) -> None:
    there = Tables(200, 200)
    pool_id = there.pool(None if is_of_zone else there.clusters.rows[7].id)
    found = await reached(Registry(there), pool_id, 10)
    assert len(set(found)) == 10, "another one each time"
    assert there.looks <= 10 * (TRIES_MAX + 1)


async def test_hosts_that_are_kept_free_come_last_and_those_that_are_down_never() -> None:
    there = Tables(1, 5)
    (cluster,) = there.clusters.rows
    down, kept_free, *others = there.hosts[cluster.id].rows
    down.state, kept_free.resource_state = HostState.DISCONNECTED, ResourceState.DISABLED
    registry, pool_id = Registry(there), there.pool(cluster.id)
    assert set(await reached(registry, pool_id, 20)) == {one.id for one in others}
    registry.dead = {one.id for one in others}
    assert await reached(registry, pool_id) == [kept_free.id]
    registry.dead.add(kept_free.id)
    with pytest.raises(Unavailable, match="host: it does not answer"):
        await registry.with_pool(pool_id)


async def test_a_pool_of_one_host_or_of_one_kind_is_reached_by_that() -> None:
    there = Tables(3, 3)
    cluster = there.clusters.rows[1]
    one, other, _ = there.hosts[cluster.id].rows
    assert set(await reached(Registry(there), there.pool(cluster.id, host_id=one.id), 5)) == {
        one.id
    }
    other.hypervisor = "VMware"
    of_kind = there.pool(None, hypervisor="VMware")
    assert set(await reached(Registry(there), of_kind, 5)) == {other.id}
    with pytest.raises(Unavailable, match="no host that is Up is in its reach"):
        await Registry(there).with_pool(there.pool(None, hypervisor="Xen"))
