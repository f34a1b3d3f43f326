"""Indexes change what a decision costs, never what it is: each is compared with a plain scan."""

from __future__ import annotations

import random
from uuid import UUID

import numpy as np
import pytest

from aggregates.errors import Conflict
from engine.allocator import (
    Guest,
    HostDecision,
    NothingFits,
    PlaceRequest,
    Policy,
    first_fit,
    pack,
    spread,
)
from tests.allocator.world import World, guest, host, named

HOSTS = 600
POLICIES = pytest.mark.parametrize("policy", [first_fit, pack, spread])


def _world(rng: random.Random) -> World:
    world = World()
    world.supply(
        *(
            host(f"h{n}", cpu_count=8, memory_mib=rng.choice([0, 2048, 8192]), tags=_tags(n))
            for n in range(HOSTS)
        )
    )
    return world


def _tags(number: int) -> list[str]:
    return ["rare"] if number % 3 == 0 else []


def _ask(rng: random.Random, name: str, policy: Policy) -> PlaceRequest:
    apart = frozenset(named(f"h{n}") for n in rng.sample(range(HOSTS), 5))
    return guest(
        name,
        cpu_count=rng.choice([1, 3]),
        memory_mib=rng.choice([256, 999]),
        tags=frozenset({"rare"}) if rng.random() < 0.5 else frozenset(),
        avoid=apart if rng.random() < 0.4 else frozenset(),
        policy=policy,
    )


def _scanned(world: World, ask: PlaceRequest) -> UUID:
    """The host by looking at each of them."""
    hosts = world.capacity.hosts
    fitting = [
        slot
        for slot, row in enumerate(hosts.supplies)
        if row is not None
        and row.enabled
        and ask.tags <= set(row.tags)
        and hosts.ids[slot] not in ask.avoid
        and hosts.free_mhz[slot] >= ask.cpu_count * ask.cpu_mhz
        and hosts.free_mib[slot] >= ask.memory_mib
    ]
    return hosts.ids[fitting[ask.policy(hosts, np.array(fitting))]]


@POLICIES
def test_every_policy_agrees_with_a_plain_scan_under_churn(policy: Policy) -> None:
    rng = random.Random(11)
    world, held = _world(rng), list[UUID]()
    for n in range(400):
        ask, hold = _ask(rng, f"g{n}", policy), named(f"g{n}")
        wanted = _scanned(world, ask)
        decision = world.allocator.place(ask, hold)
        assert decision.host_id == wanted, f"decision {n}"
        chance = rng.random()
        if chance < 0.1:
            world.allocator.forget(hold)
            continue
        world.commit(decision)
        held.append(hold)
        if chance < 0.5:
            world.done(world.allocator.release(held.pop(rng.randrange(len(held)))))
        if chance > 0.95:
            number = rng.randrange(HOSTS)
            tags = _tags(number)
            world.supply(host(f"h{number}", cpu_count=8, enabled=chance > 0.98, tags=tags))


def test_an_index_that_was_not_asked_for_long_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.allocator.ranked._LATE", 8)
    monkeypatch.setattr("engine.allocator.ranked._HEAP_KEPT", 16)
    test_every_policy_agrees_with_a_plain_scan_under_churn(pack)
    test_every_policy_agrees_with_a_plain_scan_under_churn(spread)


@POLICIES
def test_many_alike_are_placed_as_one_after_the_other(policy: Policy) -> None:
    one, other = _world(random.Random(5)), _world(random.Random(5))
    asks = [_ask(random.Random(n), "any", policy) for n in range(6)]
    for n, ask in enumerate(asks):
        guests = [Guest(named(f"{n} vm {m}"), named(f"{n} hold {m}")) for m in range(40)]
        together, singly = one.allocator.place_alike(ask, guests), list[HostDecision]()
        for guest_, decision in zip(guests, together, strict=True):
            alone = guest(
                "any",
                vm_id=guest_.vm_id,
                cpu_count=ask.cpu_count,
                memory_mib=ask.memory_mib,
                tags=ask.tags,
                avoid=ask.avoid,
                policy=policy,
            )
            singly.append(other.allocator.place(alone, guest_.hold))
            assert decision == singly[-1]
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
