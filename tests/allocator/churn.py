"""Anything that may be asked of the allocator, and the answer by looking at every host."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import msgspec
import numpy as np
import pytest

from aggregates.capacity import CapacitySupplied
from aggregates.operation_settings import DISABLES
from aggregates.record import RECORDS
from engine.allocator import NothingFits, PlaceRequest, Policy, SpaceRequest
from engine.crowding import bounds_of
from projections.setting import number_of
from tests.allocator.world import ZONE, World, guest, host, named, pool

HOSTS, CLUSTER_OF = 600, 100


def make_world(rng: random.Random) -> World:
    world = World()
    world.supply(
        *(
            host(f"h{n}", memory_mib=rng.choice([0, 2048, 8192]), **_changes(n))
            for n in range(HOSTS)
        ),
        *(
            pool(f"p{n}", cluster_id=named(f"c{n}"), threshold=0.75, tags=["fast"] if n % 2 else [])
            for n in range(HOSTS // CLUSTER_OF)
        ),
        pool("local", host_id=named("h5"), capacity_bytes=300),
    )
    return world


def _changes(number: int) -> dict[str, object]:
    cluster_id = named(f"c{number // CLUSTER_OF}")
    return {"cpu_count": 8, "tags": _tags(number), "cluster_id": cluster_id}


def _tags(number: int) -> list[str]:
    return ["rare"] if number % 3 == 0 else []


def any_ask(rng: random.Random, name: str, policy: Policy) -> PlaceRequest:
    """Anything, with rules and wishes that are met seldom or often."""
    some = [frozenset(named(f"h{n}") for n in rng.sample(range(HOSTS), 5)) for _ in range(3)]
    volumes = tuple(
        SpaceRequest(
            volume_id=named(f"{name} {number}"),
            zone_id=ZONE,
            size_bytes=rng.choice([50, 200]),
            tags=frozenset({"fast"}) if rng.random() < 0.3 else frozenset(),
        )
        for number in range(rng.choice([0, 0, 1, 2, 3]))
    )
    kept = frozenset(named(f"h{n}") for n in range(rng.choice([0, 0, 3, 450])))
    return guest(
        name,
        cpu_count=rng.choice([1, 3]),
        memory_mib=rng.choice([256, 999]),
        tags=frozenset({"rare"}) if rng.random() < 0.5 else frozenset(),
        avoid=some[0] if rng.random() < 0.4 else frozenset(),
        barred=kept,
        prefer=some[1] if rng.random() < 0.2 else frozenset(),
        prefer_not=some[2] if rng.random() < 0.2 else frozenset(),
        crowded=frozenset({named("c1")}) if rng.random() < 0.1 else frozenset(),
        volumes=volumes,
        policy=policy,
    )


def scanned(world: World, ask: PlaceRequest) -> UUID | None:
    """The host by looking at each of them: with all wishes, else with fewer, else with none."""
    hosts = world.capacity.hosts
    full = full_clusters(world, ask)
    fitting = [slot for slot in range(len(hosts)) if _fits(world, ask, slot, full)]
    shy = [slot for slot in fitting if hosts.ids[slot] not in ask.prefer_not]
    near = [slot for slot in shy if hosts.ids[slot] in ask.prefer]
    for slots in (near, shy, fitting):
        if slots:
            return hosts.ids[slots[ask.policy(hosts, np.array(slots))]]
    return None


def _fits(world: World, ask: PlaceRequest, slot: int, full: frozenset[UUID]) -> bool:
    hosts = world.capacity.hosts
    row = hosts.supplies[slot]
    return (
        row is not None
        and row.enabled
        and ask.tags <= set(row.tags)
        and row.host_id not in ask.avoid | ask.barred
        and row.cluster_id not in ask.crowded | full
        and row.cpu_count >= ask.cpu_count
        and hosts.free_mhz[slot] >= ask.cpu_count * ask.cpu_mhz
        and hosts.free_mib[slot] >= ask.memory_mib
        and _stored(world, row, ask.volumes)
    )


def full_clusters(world: World, ask: PlaceRequest) -> frozenset[UUID]:
    """The clusters that the guest would fill beyond a threshold, by adding up their hosts."""
    if ask.bounds is None:
        return frozenset()
    of: dict[UUID, list[int]] = {}
    for slot, row in enumerate(world.capacity.hosts.supplies):
        if row is not None:
            of.setdefault(row.cluster_id, []).append(slot)
    return frozenset(one for one, slots in of.items() if _is_full(world, one, slots, ask))


def _is_full(world: World, cluster_id: UUID, slots: list[int], ask: PlaceRequest) -> bool:
    hosts = world.capacity.hosts
    for what, more, offered, free in (
        ("cpu", ask.cpu_count * ask.cpu_mhz, hosts.offered_mhz, hosts.free_mhz),
        ("memory", ask.memory_mib, hosts.offered_mib, hosts.free_mib),
    ):
        most, left = (sum(int(column[slot]) for slot in slots) for column in (offered, free))
        share = number_of(world.cloud, DISABLES[what], cluster_id, ZONE)
        if most > 0 and most - left + more > share * most:
            return True
    return False


def set_threshold(world: World, rng: random.Random) -> None:
    """A cluster, or all of the cloud, is full from another share on."""
    scope_id = rng.choice([None, *(named(f"c{n}") for n in range(HOSTS // CLUSTER_OF))])
    share = rng.choice(["0", "0.01", "0.03", "0.1", "1"])
    fields = {"name": rng.choice([*DISABLES.values()]), "value": share}
    if scope_id is not None:
        fields |= {"scope": "cluster", "scope_id": str(scope_id)}
    stream = named(f"{fields['name']} of {scope_id}")
    if stream in world.versions:
        world.record(stream, [RECORDS["setting"].updated(changed={"value": share})])
    else:
        world.record(stream, [RECORDS["setting"].create(fields)])


def _stored(world: World, row: CapacitySupplied, volumes: Sequence[SpaceRequest]) -> bool:
    """Whether there is room if each goes into the pool with the most left, one after the other."""
    put = Counter[UUID]()
    for volume in volumes:
        fitting = [
            (offer.offered_bytes - one.used_bytes - put[one.id], one.id)
            for one in world.space.pools.values()
            if (offer := one.supply) is not None
            and offer.enabled
            and offer.scope in (row.host_id, row.cluster_id)
            and volume.tags <= set(offer.tags)
            and one.used_bytes + put[one.id] + volume.size_bytes
            <= int(offer.capacity_bytes * offer.threshold)
        ]
        if not fitting:
            return False
        put[max(fitting)[1]] += volume.size_bytes
    return True


def agrees_under_churn(policy: Policy, *, limited: bool = False, rounds: int = 250) -> int:
    """Compare each of many decisions with a plain scan; answers how many were refused.

    `limited`: clusters are full from a share on, which changes now and then.
    """
    rng = random.Random(11)
    world, held, refused = make_world(rng), list[UUID](), 0
    for n in range(rounds):
        ask, hold = any_ask(rng, f"g{n}", policy), named(f"g{n}")
        if limited:
            if n % 25 == 0:
                set_threshold(world, rng)
            ask = msgspec.structs.replace(ask, bounds=bounds_of(world.cloud, ZONE))
        wanted = scanned(world, ask)
        if wanted is None:
            with pytest.raises(NothingFits):
                world.allocator.place(ask, hold)
            refused += 1
            continue
        decision = world.allocator.place(ask, hold)
        assert decision.host_id == wanted, f"decision {n}"
        chance = rng.random()
        if chance < 0.1:
            world.allocator.forget(hold)
            continue
        world.commit(decision)
        held.append(hold)
        for volume in ask.volumes:
            store(world, wanted, volume, hold)
        if chance < 0.5:
            gone = held.pop(rng.randrange(len(held)))
            world.done(world.allocator.release(gone))
            world.done(world.allocator.release_space(gone))
        if chance > 0.92:
            change_something(world, rng, n)
    return refused


def store(world: World, host_id: UUID, volume: SpaceRequest, hold: UUID) -> None:
    row = world.capacity.supply_of(host_id)
    assert row is not None
    there = msgspec.structs.replace(volume, host_id=host_id, cluster_id=row.cluster_id)
    world.done(world.allocator.take_space(there, hold))


def change_something(world: World, rng: random.Random, turn: int) -> None:
    """A host is closed or is open again, a new one comes, or a pool is closed or is larger."""
    number, is_open = rng.randrange(HOSTS), rng.random() < 0.5
    changed = host(f"h{number}", enabled=is_open, **_changes(number))
    added = host(f"h{HOSTS + turn}", **_changes(turn))
    cluster_id = named(f"c{number % 6}")
    other = pool(f"p{number % 6}", cluster_id=cluster_id, enabled=is_open, capacity_bytes=4000)
    if rng.random() < 0.7:
        world.supply(changed if rng.random() < 0.5 else added)
    else:
        world.supply(other)
