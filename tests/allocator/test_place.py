"""Guests on hosts: rules, wishes, policies, and promises that count at once."""

from __future__ import annotations

import random
from uuid import UUID

import msgspec
import pytest

from aggregates.capacity import CapacityHeld, CapacityWithdrawn, capacity_ledger
from aggregates.errors import Conflict
from engine.allocator import (
    Allocator,
    NothingFits,
    PlaceRequest,
    SpaceRequest,
    at_random,
    pack,
    spread,
)
from projections.addresses import Addresses
from projections.capacity import Capacity, Usage
from projections.space import Space
from tests.allocator.world import CLUSTER, ZONE, World, guest, host, named, pool


@pytest.fixture
def world() -> World:
    world = World()
    world.supply(host("a"), host("b"), host("c"))
    return world


def place(world: World, name: str, **changes: object) -> str:
    """Place and commit one guest; the name of its host."""
    decision = world.done(world.allocator.place(guest(name, **changes), named(name)))
    return next(n for n in "abcdefgh" if named(n) == decision.host_id)


def test_first_fit_fills_hosts_in_order(world: World) -> None:
    assert [place(world, f"g{n}") for n in range(5)] == ["a", "a", "a", "a", "b"]


def test_a_promise_counts_before_it_is_committed(world: World) -> None:
    decisions = [world.allocator.place(guest(f"g{n}"), named(f"g{n}")) for n in range(12)]
    with pytest.raises(NothingFits):
        world.allocator.place(guest("one too many"), named("one too many"))
    world.commit(*decisions)
    assert len(world.capacity.holds) == 12
    assert not len(world.capacity.pendings)


def test_two_hundred_promises_in_one_turn_never_overbook() -> None:
    world = World()
    world.supply(*(host(f"h{n}") for n in range(40)))
    placed = []
    for n in range(200):
        try:
            placed.append(world.allocator.place(guest(f"g{n}"), named(f"g{n}")))
        except NothingFits:
            continue
    assert len(placed) == 160
    for decision in placed:
        world.commit(decision)
    assert world.capacity.hosts.free_mib[:40].min() == 0


def test_the_same_key_gets_the_same_answer(world: World) -> None:
    first = world.allocator.place(guest(), named("step"))
    assert world.allocator.place(guest(), named("step")) == first
    world.commit(first)
    again = world.allocator.place(guest(policy=spread), named("step"))
    assert (again.host_id, again.appends) == (first.host_id, ())


def test_release_is_repeatable_and_frees_only_once_committed(world: World) -> None:
    world.done(world.allocator.place(guest(memory_mib=4096), named("step")))
    free = world.allocator.release(named("step"))
    assert world.allocator.release(named("step")) == free
    assert world.capacity.hosts.free_mib[0] == 0
    with pytest.raises(Conflict, match="being released"):
        world.allocator.place(guest(), named("step"))
    world.commit(free)
    assert world.capacity.hosts.free_mib[0] == 4096
    assert world.allocator.release(named("step")).appends == ()


def test_release_of_a_promise_in_flight_follows_it(world: World) -> None:
    taken = world.allocator.place(guest(), named("step"))
    freed = world.allocator.release(named("step"))
    world.commit(taken)
    world.commit(freed)
    assert world.capacity.holds == {}
    assert world.capacity.hosts.free_mhz[0] == 4000


def test_forgetting_gives_the_room_back(world: World) -> None:
    world.allocator.place(guest("1", memory_mib=4096), named("1"))
    assert world.capacity.hosts.free_mib[0] == 0
    world.allocator.forget(named("1"))
    world.commit(world.allocator.place(guest("3"), named("3")))
    assert world.capacity.hosts.free_mib[0] == 3072


def test_a_promise_stands_though_the_one_before_it_failed(world: World) -> None:
    world.allocator.place(guest("1"), named("1"))
    second = world.allocator.place(guest("2"), named("2"))
    world.allocator.forget(named("1"))
    world.commit(second)
    assert list(world.capacity.holds) == [named("2").int]


@pytest.mark.parametrize(("memory_mib", "fits"), [(3072, True), (3073, False)])
def test_another_controllers_hold_is_in_the_way_only_if_both_do_not_fit(
    world: World, memory_mib: int, fits: bool
) -> None:
    at = len(world.log)
    mine = world.allocator.place(guest("mine", memory_mib=memory_mib), named("mine"))
    world.record(capacity_ledger(named("a")), [theirs(1024)])
    if fits:
        world.commit(mine, decided_at=at)
        assert world.capacity.hosts.free_mib[0] == 0
    else:
        with pytest.raises(Conflict):
            world.commit(mine, decided_at=at)


def test_a_change_of_the_host_itself_is_always_in_the_way(world: World) -> None:
    at = len(world.log)
    mine = world.allocator.place(guest("mine"), named("mine"))
    world.record(capacity_ledger(named("a")), [host("a", memory_mib=8192)])
    with pytest.raises(Conflict):
        world.commit(mine, decided_at=at)


def theirs(memory_mib: int) -> CapacityHeld:
    """What another controller promised on host a."""
    return CapacityHeld(
        hold=named("theirs"),
        host_id=named("a"),
        vm_id=named("x"),
        cpu_count=1,
        cpu_mhz=100,
        memory_mib=memory_mib,
    )


def test_who_lost_to_another_controller_is_placed_elsewhere(world: World) -> None:
    at = len(world.log)
    mine = world.allocator.place(guest("mine", memory_mib=4096), named("mine"))
    world.record(capacity_ledger(named("a")), [theirs(1024)])
    with pytest.raises(Conflict):
        world.commit(mine, decided_at=at)
    world.allocator.forget(named("mine"))
    again = world.done(world.allocator.place(guest("mine", memory_mib=4096), named("mine")))
    assert again.host_id == named("b")
    assert world.capacity.hosts.free_mib[:2].tolist() == [3072, 0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tags": frozenset({"gpu"})}, "e"),
        ({"tags": frozenset({"gpu", "ssd"})}, "f"),
        ({"hypervisor": "Simulator"}, "g"),
        ({"cluster_id": named("other cluster")}, "g"),
        ({"host_id": named("c")}, "c"),
        ({"avoid": frozenset({named("a"), named("b")})}, "c"),
        ({"only": frozenset({named("b"), named("c")})}, "b"),
        ({"prefer": frozenset({named("c")})}, "c"),
        ({"prefer": frozenset({named("d")})}, "a"),
        ({"prefer_not": frozenset({named("a")})}, "b"),
        ({"prefer_not": frozenset({named(n) for n in "abcef"})}, "a"),
        ({"cpu_count": 8}, "h"),
        ({"cpu_mhz": 2000}, "h"),
    ],
)
def test_rules_and_wishes(world: World, changes: dict[str, object], expected: str) -> None:
    world.supply(
        host("d", enabled=False),
        host("e", tags=["gpu"]),
        host("f", tags=["ssd", "gpu"]),
        host("g", hypervisor="Simulator", cluster_id=named("other cluster")),
        host("h", cpu_count=16, cpu_mhz=2000, hypervisor="VMware"),
    )
    chosen = {"hypervisor": None} if expected in "gh" else {}
    assert place(world, "guest", **(chosen | changes)) == expected


def test_policies(world: World) -> None:
    place(world, "one", host_id=named("b"))
    assert place(world, "packed", policy=pack) == "b"
    assert place(world, "spread", policy=spread) == "a"
    draws = {place(world, f"r{n}", policy=at_random(random.Random(n))) for n in range(8)}
    assert len(draws) > 1


def test_overcommit_multiplies_what_may_be_promised() -> None:
    world = World()
    world.supply(host("a", cpu_overcommit=2.0, memory_overcommit=1.5))
    placed = [place(world, f"g{n}") for n in range(6)]
    assert placed == ["a"] * 6
    with pytest.raises(NothingFits, match="memory: wants 1024 MiB, has 0 MiB"):
        place(world, "g6")


def test_a_host_disabled_withdrawn_and_supplied_again(world: World) -> None:
    place(world, "1")
    world.supply(host("a", enabled=False))
    assert place(world, "2") == "b"
    world.commit(world.allocator.supply_host(CapacityWithdrawn(host_id=named("a")), named("gone")))
    assert world.capacity.supply_of(named("a")) is None
    assert place(world, "3") == "b"
    world.supply(host("a"))
    assert place(world, "4") == "a"
    assert world.capacity.hosts.free_mib[0] == 2048


def test_supply_of_one_host_twice_in_one_turn_keeps_order(world: World) -> None:
    off = world.allocator.supply_host(host("a", enabled=False), named("off"))
    on = world.allocator.supply_host(host("a", memory_mib=8192), named("on"))
    world.commit(off, on)
    assert world.capacity.hosts.free_mib[0] == 8192


def test_usage_adds_up(world: World) -> None:
    world.supply(host("z", zone_id=named("other zone")))
    place(world, "1")
    place(world, "2", host_id=named("b"))
    capacity, mine = world.capacity, [named(name).int for name in "abc"]
    assert capacity.usage_on(mine) == Usage(12000, 2000, 12288, 2048)
    assert capacity.usage_on([*mine, named("z").int]) == Usage(16000, 2000, 16384, 2048)
    assert capacity.usage_on([named("nobody").int]) is None
    assert (capacity.cores_on(mine), capacity.cores_on(mine[2:])) == (2, 0)


def test_a_moving_guest_has_two_holds(world: World) -> None:
    place(world, "guest")
    request = guest("guest", avoid=frozenset({named("a")}))
    world.done(world.allocator.place(request, named("target")))
    holds = world.capacity.holds_of_vm(named("guest"))
    assert [held.host_id for held in holds] == [named("a"), named("b")]


def test_search_agrees_with_a_plain_scan_under_churn() -> None:
    """Indexes change the cost of first fit, never its answer."""
    world, rng = World(), random.Random(7)
    names = [f"h{n}" for n in range(4000)]
    world.supply(*(host(n, memory_mib=rng.choice([0, 512, 2048])) for n in names))
    hosts, held = world.capacity.hosts, []
    for n in range(1200):
        request = guest(f"g{n}", cpu_count=rng.choice([1, 3]), memory_mib=rng.choice([256, 999]))
        decision = world.allocator.place(request, named(f"g{n}"))
        assert decision.host_id == hosts.ids[_scanned(world, request)]
        chance = rng.random()
        if chance < 0.1:
            world.allocator.forget(named(f"g{n}"))
            continue
        world.commit(decision)
        held.append(named(f"g{n}"))
        if chance < 0.3:
            for hold in [held.pop(rng.randrange(len(held))) for _ in range(len(held) // 20)]:
                world.done(world.allocator.release(hold))
        if chance > 0.95:
            world.supply(host(rng.choice(names[:300]), enabled=chance > 0.98))


def _scanned(world: World, request: PlaceRequest) -> int:
    """The first slot with room before `request` was promised, by looking at each."""
    hosts, mhz = world.capacity.hosts, request.cpu_count * request.cpu_mhz
    mine = world.capacity.pendings.takes[next(reversed(world.capacity.pendings.takes))].event
    assert isinstance(mine, CapacityHeld)
    back = hosts.numbered[mine.host_id.int]
    return next(
        slot
        for slot, row in enumerate(hosts.supplies)
        if row is not None
        and row.enabled
        and hosts.free_mhz[slot] + mhz * (slot == back) >= mhz
        and hosts.free_mib[slot] + request.memory_mib * (slot == back) >= request.memory_mib
    )


def test_first_fit_finds_low_hosts_again_after_many_releases() -> None:
    """More came back than the index for a size reads one by one: it begins anew."""
    world = World()
    names = [f"h{n}" for n in range(1500)]
    world.supply(*(host(n, memory_mib=1024) for n in names))
    for name in names[:400]:
        world.done(world.allocator.place(guest(name), named(name)))
    for name in names[:300]:
        world.done(world.allocator.release(named(name)))
    decisions = [world.allocator.place(guest(f"g{n}"), named(f"g{n}")) for n in range(302)]
    found = [decision.host_id for decision in decisions]
    assert found == [named(name) for name in names[:300] + names[400:402]]


def test_a_host_must_reach_storage_for_the_volumes(world: World) -> None:
    world.supply(
        host("d", cluster_id=named("far cluster")),
        pool("local to a", host_id=named("a"), cluster_id=CLUSTER),
        pool("local to b", host_id=named("b"), cluster_id=CLUSTER, capacity_bytes=9000),
        pool("far", cluster_id=named("far cluster"), capacity_bytes=5000),
    )
    sizes = {"small": 10, "large": 8000}
    need = {
        n: SpaceRequest(volume_id=named(n), zone_id=ZONE, size_bytes=s) for n, s in sizes.items()
    }
    assert place(world, "1", volumes=(need["small"],)) == "a"
    assert place(world, "2", volumes=(need["large"], need["small"])) == "b"
    middle = SpaceRequest(volume_id=named("m"), zone_id=ZONE, size_bytes=4000)
    assert place(world, "3", volumes=(middle,), avoid=frozenset({named("b")})) == "d"
    bound = frozenset({named("a"), named("d")})
    assert place(world, "bound", volumes=(middle,), only=bound) == "d"
    huge = SpaceRequest(volume_id=named("h"), zone_id=ZONE, size_bytes=10_000)
    with pytest.raises(
        NothingFits, match=r"^no pool has room for 10000 bytes .*: 3 short of space"
    ):
        place(world, "4", volumes=(huge,))
    with pytest.raises(NothingFits, match=r"1 avoided, 3 without storage.*; no pool has room for"):
        place(world, "4", volumes=(huge,), avoid=frozenset({named("a")}))
    world.supply(pool("for all", capacity_bytes=20_000))
    assert place(world, "4", volumes=(huge,)) == "a"


def test_volumes_must_find_room_together(world: World) -> None:
    world.supply(
        pool("one of a", host_id=named("a"), cluster_id=CLUSTER, capacity_bytes=100),
        pool("other of a", host_id=named("a"), cluster_id=CLUSTER, capacity_bytes=100),
        pool("of b", host_id=named("b"), cluster_id=CLUSTER, capacity_bytes=160),
    )
    need = [SpaceRequest(volume_id=named(f"v{n}"), zone_id=ZONE, size_bytes=50) for n in range(5)]
    more = [msgspec.structs.replace(one, size_bytes=51) for one in need]
    assert place(world, "1", volumes=tuple(need[:4])) == "a"
    assert place(world, "2", volumes=tuple(more[:2])) == "a"
    assert place(world, "3", volumes=tuple(more[:3])) == "b"
    with pytest.raises(NothingFits, match=r"3 without storage.*for all of the guest's volumes$"):
        place(world, "4", volumes=tuple(need))


def test_a_request_is_explained_host_by_host(world: World) -> None:
    world.supply(
        host("off", enabled=False),
        host("far", zone_id=named("other zone")),
        host("vmware", hypervisor="VMware"),
        host("small", memory_mib=512),
        host("slow", cpu_mhz=500),
    )
    for n in range(4):
        place(world, f"g{n}", host_id=named("a"))
    refused = guest("refused", avoid=frozenset({named("b")}), only=_all_but(world, "c"))
    with pytest.raises(NothingFits) as caught:
        world.allocator.place(refused, named("refused"))
    explanation = caught.value.explanation
    reasons = {refusal.id: refusal.reason for refusal in explanation.refusals}
    assert reasons == {
        named("a"): "short of CPU",
        named("b"): "avoided",
        named("c"): "outside the affinity group",
        named("off"): "disabled",
        named("vmware"): "of another hypervisor",
        named("small"): "short of memory",
        named("slow"): "with too slow cores",
    }
    assert explanation.counts["elsewhere"] == 1
    text = str(caught.value)
    assert f"{named('a')}: cpu: wants 1000 MHz, has 0 MHz" in text
    assert f"{named('small')}: memory: wants 1024 MiB, has 512 MiB" in text
    assert str(named("far")) not in text


def test_a_long_explanation_is_bounded() -> None:
    world = World()
    world.supply(*(host(f"h{n}", enabled=False) for n in range(50)))
    explanation = world.allocator.explain(guest())
    assert explanation.counts == {"disabled": 50}
    assert (len(explanation.refusals), explanation.lines[-1]) == (20, "and 30 more")


def test_an_empty_cloud_refuses_in_plain_words() -> None:
    with pytest.raises(NothingFits, match="there is none"):
        World().allocator.place(guest(), named("x"))


def _all_but(world: World, name: str) -> frozenset[UUID]:
    return frozenset(world.capacity.hosts.ids) - {named(name)}


def test_an_allocator_over_a_restored_cloud_goes_on(world: World) -> None:
    place(world, "1")
    loaded = type(world.cloud).load(world.cloud.save())
    capacity, space = loaded.view(Capacity), loaded.view(Space)
    request: PlaceRequest = guest("2")
    decision = Allocator(capacity, space, loaded.view(Addresses)).place(request, named("2"))
    assert decision == world.allocator.place(request, named("2"))
