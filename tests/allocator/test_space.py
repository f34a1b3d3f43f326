"""Volumes in pools: reach, tags, overprovisioning, and promises that count at once."""

from __future__ import annotations

import msgspec
import pytest

from aggregates.errors import Conflict
from aggregates.space import SpaceHeld, SpaceWithdrawn, space_ledger
from engine.allocator import NothingFits, SpaceRequest
from tests.allocator.world import CLUSTER, POD, ZONE, World, named, pool


def volume(name: str = "volume", **changes: object) -> SpaceRequest:
    """A volume of 400 bytes for a guest on host `a`."""
    fields: dict[str, object] = {
        "volume_id": named(name),
        "zone_id": ZONE,
        "pod_id": POD,
        "cluster_id": CLUSTER,
        "host_id": named("a"),
        "size_bytes": 400,
    }
    return SpaceRequest(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture
def world() -> World:
    return World()


def take(world: World, name: str, **changes: object) -> str:
    """Promise and commit one volume; the name of its pool."""
    decision = world.done(world.allocator.take_space(volume(name, **changes), named(name)))
    return next(n for n in "pqrs" if named(n) == decision.pool_id)


def test_the_emptiest_pool_gets_the_volume(world: World) -> None:
    world.supply(pool("p"), pool("q", capacity_bytes=1100))
    assert [take(world, f"v{n}") for n in range(4)] == ["q", "p", "q", "p"]
    with pytest.raises(NothingFits, match="wants 400 bytes, has 300"):
        take(world, "v4")


def test_a_pool_serves_only_its_own_scope(world: World) -> None:
    world.supply(
        pool("p", host_id=named("b"), capacity_bytes=9000),
        pool("q", cluster_id=named("other cluster"), capacity_bytes=9000),
        pool("r", cluster_id=CLUSTER, pod_id=POD),
    )
    assert take(world, "v") == "r"
    assert take(world, "elsewhere", host_id=named("b")) == "p"
    assert take(world, "nowhere yet", pod_id=None, cluster_id=None, host_id=None) == "q"
    assert take(world, "asked for", host_id=None, pool_id=named("r")) == "r"


def test_tags_disabled_avoided_withdrawn(world: World) -> None:
    world.supply(pool("p", tags=["ssd"]), pool("q", enabled=False), pool("r"), pool("s"))
    world.commit(world.allocator.supply_pool(SpaceWithdrawn(pool_id=named("s")), named("gone")))
    assert take(world, "v", tags=frozenset({"ssd"})) == "p"
    wanted = volume("w", tags=frozenset({"nvme"}))
    reasons = {r.id: r.reason for r in world.allocator.explain_space(wanted).refusals}
    assert reasons == {
        named("p"): "without the tags",
        named("q"): "disabled",
        named("r"): "without the tags",
    }
    avoided = volume("x", avoid=frozenset({named("p"), named("r")}))
    assert world.allocator.explain_space(avoided).counts == {
        "avoided": 2,
        "disabled": 1,
        "elsewhere": 1,
    }


def test_overprovisioning_multiplies_what_may_be_promised(world: World) -> None:
    world.supply(pool("p", overprovision=2.0))
    assert [take(world, f"v{n}") for n in range(5)] == ["p"] * 5
    with pytest.raises(NothingFits):
        take(world, "v5")


def test_promises_keys_and_releases(world: World) -> None:
    world.supply(pool("p"))
    first = world.allocator.take_space(volume("1"), named("1"))
    second = world.allocator.take_space(volume("2"), named("2"))
    again = world.allocator.take_space(volume("1"), named("1"))
    assert again.appends[0] == msgspec.structs.replace(first.appends[0], slack=(200,))
    assert again.appends[0].slack == (200,), "what others may take is what is left by now"
    with pytest.raises(NothingFits):
        world.allocator.take_space(volume("3"), named("3"))
    world.commit(first, second)
    assert world.allocator.take_space(volume("1"), named("1")).appends == ()
    world.done(world.allocator.release_space(named("1")))
    assert world.allocator.release_space(named("1")).appends == ()
    assert world.space.holds[named("2").int].volume_id == named("2")
    assert world.space.pools[named("p")].free_bytes == 600


def test_forget_takes_a_lost_race_back(world: World) -> None:
    world.supply(pool("p"))
    at = len(world.log)
    mine = world.allocator.take_space(volume("mine", size_bytes=501), named("mine"))
    theirs = SpaceHeld(
        hold=named("theirs"), pool_id=named("p"), volume_id=named("v"), size_bytes=500
    )
    world.record(space_ledger(named("p")), [theirs])
    with pytest.raises(Conflict):
        world.commit(mine, decided_at=at)
    world.allocator.forget(named("mine"))
    assert world.space.pools[named("p")].free_bytes == 500
    assert take(world, "mine") == "p"
