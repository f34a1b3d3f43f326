"""Clusters that are promised to their threshold are passed by, and it is known which those are."""

from __future__ import annotations

import random

import msgspec
import pytest

from aggregates.base import Event
from aggregates.record import RECORDS
from engine.allocator import Guest, NothingFits, Policy, at_random, first_fit, pack, spread
from engine.crowding import bounds_of, crowded
from tests.allocator.churn import agrees_under_churn, any_ask, make_world, scanned
from tests.allocator.world import ZONE, World, guest, host, named

POLICIES = pytest.mark.parametrize("policy", [first_fit, pack, spread])


@POLICIES
def test_with_full_clusters_every_policy_agrees_with_a_plain_scan(policy: Policy) -> None:
    refused = agrees_under_churn(policy, limited=True)
    assert 10 < refused < 200, "clusters were never full, or always"


@POLICIES
@pytest.mark.parametrize(
    "name, value", [("_LATE", 3), ("_OUTDATED_KEPT", -5), ("_ONE_BY_ONE", 200)]
)
def test_how_clusters_are_looked_at_changes_no_answer(
    policy: Policy, name: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"engine.allocator.clustered.{name}", value)
    agrees_under_churn(policy, limited=True, rounds=120)


def test_chance_draws_only_from_hosts_that_serve_and_from_all_of_these() -> None:
    rng = random.Random(3)
    world = make_world(rng)
    world.record(named("t"), [_threshold("0.02")])
    for n in range(120):
        ask = any_ask(rng, f"g{n}", at_random(random.Random(n)))
        ask = msgspec.structs.replace(ask, bounds=bounds_of(world.cloud, ZONE))
        seen = list[object]()
        plain = msgspec.structs.replace(ask, policy=lambda hosts, slots, to=seen: _all(to, slots))
        if scanned(world, plain) is None:
            with pytest.raises(NothingFits):
                world.allocator.place(ask, named(f"g{n}"))
            continue
        chosen = world.allocator.place(ask, named(f"g{n}")).host_id
        assert world.capacity.hosts.numbered[chosen.int] in seen
    few = World()
    few.supply(*(host(f"h{n}", enabled=n % 7 == 0) for n in range(20)))
    found = set()
    for n in range(60):
        ask = guest(policy=at_random(random.Random(n)))
        found.add(few.allocator.place(ask, named("one")).host_id)
        few.allocator.forget(named("one"))
    assert found == {named("h0"), named("h7"), named("h14")}


def _all(to: list[object], slots: object) -> int:
    to += slots.tolist()  # type: ignore[attr-defined]
    return 0


def _threshold(share: str) -> Event:
    name = "cluster.memory.allocated.capacity.disablethreshold"
    return RECORDS["setting"].create({"name": name, "value": share})


def _two_clusters() -> World:
    world = World()
    world.supply(*(host(name, cluster_id=named(f"of {name}")) for name in "ab"))
    world.record(named("t"), [_threshold("0.5")])
    return world


def _place(world: World, name: str, **changes: object) -> object:
    ask = guest(name, bounds=bounds_of(world.cloud, ZONE), **changes)
    decision = world.done(world.allocator.place(ask, named(name)))
    return "ab"[decision.host_id == named("b")]


def test_a_full_cluster_is_passed_by_until_a_guest_leaves_it() -> None:
    world = _two_clusters()
    assert [_place(world, f"{n}") for n in range(3)] == ["a", "a", "b"]
    assert crowded(world.cloud, ZONE, 1000, 1024) == {named("of a")}
    world.done(world.allocator.release(named("0")))
    assert [_place(world, f"{n}") for n in range(3, 5)] == ["a", "b"]
    with pytest.raises(NothingFits, match="2 in a full cluster"):
        _place(world, "5")
    assert _place(world, "named", host_id=named("a")) == "a"


def test_many_alike_stop_where_their_cluster_is_full() -> None:
    world = _two_clusters()
    guests = [Guest(named(f"vm {n}"), named(f"hold {n}")) for n in range(5)]
    made = world.allocator.place_alike(guest(bounds=bounds_of(world.cloud, ZONE)), guests)
    assert [one.host_id for one in made] == [named("a")] * 2 + [named("b")] * 2


def test_a_host_that_leaves_its_cluster_takes_its_promises_along() -> None:
    world = _two_clusters()
    world.supply(host("c", cluster_id=named("of a")))
    assert [_place(world, f"{n}") for n in range(6)] == ["a"] * 4 + ["b"] * 2
    assert crowded(world.cloud, ZONE, 1000, 1024) == {named("of a"), named("of b")}
    world.supply(host("a", cluster_id=named("elsewhere")))
    ask = guest("6", bounds=bounds_of(world.cloud, ZONE))
    assert world.allocator.place(ask, named("6")).host_id == named("c")


def test_limits_are_the_same_object_until_they_are_others() -> None:
    world = _two_clusters()
    bounds = bounds_of(world.cloud, ZONE)
    _place(world, "0")
    world.supply(host("a", cluster_id=named("of a"), enabled=False))
    assert bounds_of(world.cloud, ZONE) is bounds
    world.record(named("t"), [RECORDS["setting"].updated(changed={"value": "0.25"})])
    changed = bounds_of(world.cloud, ZONE)
    assert changed is not bounds
    world.supply(host("d", cluster_id=named("of d")))
    assert bounds_of(world.cloud, ZONE) is not changed
