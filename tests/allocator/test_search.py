"""Indexes change what a decision costs, never what it is: each is compared with a plain scan."""

from __future__ import annotations

import random
import sys

import msgspec
import pytest

from aggregates.errors import Conflict
from engine.allocator import (
    Guest,
    HostDecision,
    NothingFits,
    Policy,
    first_fit,
    pack,
    spread,
)
from engine.allocator.first_fit import FirstFit
from tests.allocator.churn import agrees_under_churn, any_ask, make_world
from tests.allocator.world import World, guest, host, named

POLICIES = pytest.mark.parametrize("policy", [first_fit, pack, spread])


@POLICIES
def test_every_policy_agrees_with_a_plain_scan_under_churn(policy: Policy) -> None:
    assert agrees_under_churn(policy) < 100, "hardly anything was placed"


def test_an_index_that_was_not_asked_for_long_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.allocator.ranked._LATE", 8)
    monkeypatch.setattr("engine.allocator.ranked._HEAP_KEPT", 16)
    monkeypatch.setattr("engine.allocator.ranked._LISTED", 3)
    monkeypatch.setattr(sys.modules[FirstFit.__module__], "_LATE", 2)
    monkeypatch.setattr(sys.modules[FirstFit.__module__], "_ONE_BY_ONE", 1)
    monkeypatch.setattr(sys.modules[FirstFit.__module__], "_SCAN_AT_FIRST", 2)
    agrees_under_churn(first_fit)
    agrees_under_churn(pack)
    agrees_under_churn(spread)


@POLICIES
def test_many_alike_are_placed_as_one_after_the_other(policy: Policy) -> None:
    one, other = make_world(random.Random(5)), make_world(random.Random(5))
    asks = [any_ask(random.Random(n), "any", policy) for n in range(24)]
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


def test_the_emptiest_host_of_all_may_be_too_small_for_a_guest() -> None:
    world = World()
    world.supply(host("small", memory_mib=512), host("slim", cpu_count=1), host("large"))
    large = guest("a", cpu_count=2, policy=spread)
    assert world.done(world.allocator.place(large, named("a"))).host_id == named("large")
    little = guest("b", memory_mib=256, policy=spread)
    assert world.done(world.allocator.place(little, named("b"))).host_id == named("small")
    world.supply(host("other"))
    assert world.done(world.allocator.place(large, named("c"))).host_id == named("other")
    elsewhere = msgspec.structs.replace(large, avoid=frozenset({named("slim"), named("large")}))
    assert world.done(world.allocator.place(elsewhere, named("d"))).host_id == named("other")
