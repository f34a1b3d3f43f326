"""Indexes change what a decision costs, never what it is: each is compared with a plain scan."""

from __future__ import annotations

import random
import sys
from uuid import UUID

import msgspec
import numpy as np
import pytest

from aggregates.capacity import CapacitySupplied
from aggregates.errors import Conflict
from engine.allocator import (
    Guest,
    HostDecision,
    NothingFits,
    PlaceRequest,
    Policy,
    SpaceRequest,
    first_fit,
    pack,
    spread,
)
from engine.allocator.first_fit import FirstFit
from tests.allocator.world import ZONE, World, guest, host, named, pool

HOSTS, CLUSTER_OF = 600, 100
POLICIES = pytest.mark.parametrize("policy", [first_fit, pack, spread])


def _world(rng: random.Random) -> World:
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


def _ask(rng: random.Random, name: str, policy: Policy) -> PlaceRequest:
    """Anything, with rules and wishes that are met seldom or often."""
    some = [frozenset(named(f"h{n}") for n in rng.sample(range(HOSTS), 5)) for _ in range(3)]
    volume = SpaceRequest(
        volume_id=named(name),
        zone_id=ZONE,
        size_bytes=rng.choice([50, 200]),
        tags=frozenset({"fast"}) if rng.random() < 0.3 else frozenset(),
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
        volumes=(volume,) if rng.random() < 0.5 else (),
        policy=policy,
    )


def _scanned(world: World, ask: PlaceRequest) -> UUID | None:
    """The host by looking at each of them: with all wishes, else with fewer, else with none."""
    hosts = world.capacity.hosts
    fitting = [slot for slot in range(len(hosts)) if _fits(world, ask, slot)]
    shy = [slot for slot in fitting if hosts.ids[slot] not in ask.prefer_not]
    near = [slot for slot in shy if hosts.ids[slot] in ask.prefer]
    for slots in (near, shy, fitting):
        if slots:
            return hosts.ids[slots[ask.policy(hosts, np.array(slots))]]
    return None


def _fits(world: World, ask: PlaceRequest, slot: int) -> bool:
    hosts = world.capacity.hosts
    row = hosts.supplies[slot]
    return (
        row is not None
        and row.enabled
        and ask.tags <= set(row.tags)
        and row.host_id not in ask.avoid | ask.barred
        and row.cluster_id not in ask.crowded
        and row.cpu_count >= ask.cpu_count
        and hosts.free_mhz[slot] >= ask.cpu_count * ask.cpu_mhz
        and hosts.free_mib[slot] >= ask.memory_mib
        and all(_stored(world, row, volume) for volume in ask.volumes)
    )


def _stored(world: World, row: CapacitySupplied, volume: SpaceRequest) -> bool:
    return any(
        offer.enabled
        and offer.scope in (row.host_id, row.cluster_id)
        and volume.tags <= set(offer.tags)
        and one.used_bytes + volume.size_bytes <= int(offer.capacity_bytes * offer.threshold)
        for one in world.space.pools.values()
        if (offer := one.supply) is not None
    )


@POLICIES
def test_every_policy_agrees_with_a_plain_scan_under_churn(policy: Policy) -> None:
    rng = random.Random(11)
    world, held, refused = _world(rng), list[UUID](), 0
    for n in range(250):
        ask, hold = _ask(rng, f"g{n}", policy), named(f"g{n}")
        wanted = _scanned(world, ask)
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
            _store(world, wanted, volume, hold)
        if chance < 0.5:
            gone = held.pop(rng.randrange(len(held)))
            world.done(world.allocator.release(gone))
            world.done(world.allocator.release_space(gone))
        if chance > 0.92:
            _change_something(world, rng, n)
    assert refused < 100, "hardly anything was placed"


def _store(world: World, host_id: UUID, volume: SpaceRequest, hold: UUID) -> None:
    row = world.capacity.supply_of(host_id)
    assert row is not None
    there = msgspec.structs.replace(volume, host_id=host_id, cluster_id=row.cluster_id)
    world.done(world.allocator.take_space(there, hold))


def _change_something(world: World, rng: random.Random, turn: int) -> None:
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


def test_an_index_that_was_not_asked_for_long_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.allocator.ranked._LATE", 8)
    monkeypatch.setattr("engine.allocator.ranked._HEAP_KEPT", 16)
    monkeypatch.setattr("engine.allocator.ranked._LISTED", 3)
    monkeypatch.setattr(sys.modules[FirstFit.__module__], "_LATE", 2)
    monkeypatch.setattr(sys.modules[FirstFit.__module__], "_ONE_BY_ONE", 1)
    monkeypatch.setattr(sys.modules[FirstFit.__module__], "_SCAN_AT_FIRST", 2)
    test_every_policy_agrees_with_a_plain_scan_under_churn(first_fit)
    test_every_policy_agrees_with_a_plain_scan_under_churn(pack)
    test_every_policy_agrees_with_a_plain_scan_under_churn(spread)


@POLICIES
def test_many_alike_are_placed_as_one_after_the_other(policy: Policy) -> None:
    one, other = _world(random.Random(5)), _world(random.Random(5))
    asks = [_ask(random.Random(n), "any", policy) for n in range(24)]
    for n, ask in enumerate(asks):
        guests = [Guest(named(f"{n} vm {m}"), named(f"{n} hold {m}")) for m in range(40)]
        together, singly = one.allocator.place_alike(ask, guests), list[HostDecision]()
        for guest_, decision in zip(guests, together, strict=False):
            alone = msgspec.structs.replace(ask, vm_id=guest_.vm_id)
            singly.append(other.allocator.place(alone, guest_.hold))
            assert decision == singly[-1]
        if len(together) < len(guests):
            with pytest.raises(NothingFits):
                other.allocator.place(ask, named("one more"))
        for world, decisions in ((one, together), (other, singly)):
            world.commit(*decisions)
            for guest_ in guests[::2]:
                world.done(world.allocator.release(guest_.hold))


def test_of_many_alike_only_those_are_placed_that_fit() -> None:
    world = World()
    world.supply(host("a"), host("b", memory_mib=2048))
    guests = [Guest(named(f"vm {n}"), named(f"hold {n}")) for n in range(9)]
    decisions = world.allocator.place_alike(guest(), guests)
    assert [one.host_id for one in decisions] == [named("a")] * 4 + [named("b")] * 2
    slacks = [write.slack for one in decisions for write in one.appends]
    assert slacks[:4] == [(3000, 3072), (2000, 2048), (1000, 1024), (0, 0)]
    with pytest.raises(NothingFits):
        world.allocator.place(guest(), named("hold 7"))
    with pytest.raises(Conflict, match="promised room already"):
        world.allocator.place_alike(guest(), guests[:1])
    world.commit(*decisions)
    assert world.capacity.hosts.free_mib[:2].tolist() == [0, 0]
