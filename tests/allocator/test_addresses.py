"""Numbers: lowest first, never twice, whoever asks."""

from __future__ import annotations

from uuid import UUID

import pytest

from aggregates.address import (
    MAC_FIRST,
    MAC_LAST,
    AddressSpaceCreated,
    AddressSpaceRemoved,
    AddressTaken,
    address_ledger,
    mac_text,
)
from aggregates.errors import AlreadyExists, Conflict, Exhausted, Invalid
from engine.allocator import AddressDecision
from projections.address_range import WINDOW, AddressRange
from projections.addresses import address_spaces
from tests.allocator.world import World, named


@pytest.fixture
def world() -> World:
    return World()


def ask(
    world: World, spaces: UUID | list[UUID], name: str, wanted: int | None = None
) -> AddressDecision:
    """Decide, and commit nothing."""
    return world.allocator.take_address(
        spaces, named(name), holder=named(f"nic of {name}"), purpose="nic", wanted=wanted
    )


def take(world: World, spaces: UUID | list[UUID], name: str, wanted: int | None = None) -> int:
    return world.done(ask(world, spaces, name, wanted)).number


def test_lowest_free_first_and_freed_numbers_come_back(world: World) -> None:
    lan = world.add_range("lan", 10, 15, 10, 12)
    assert [take(world, lan, str(n)) for n in range(4)] == [11, 13, 14, 15]
    with pytest.raises(Exhausted, match="no number is free"):
        take(world, lan, "late")
    world.done(world.allocator.release_address(named("1")))
    assert world.addresses.ranges[lan].free_count == 1
    assert take(world, lan, "late") == 13


def test_the_next_space_serves_when_the_first_is_full(world: World) -> None:
    small, large = world.add_range("small", 1, 1), world.add_range("large", 100, 200)
    both = [named("no such space"), small, large]
    assert [take(world, both, str(n)) for n in range(3)] == [1, 100, 101]
    with pytest.raises(Exhausted, match="none of the address spaces exists"):
        take(world, [named("no such space")], "x")


def test_a_wanted_number_is_given_or_refused_with_its_holder(world: World) -> None:
    lan = world.add_range("lan", 10, 20, 10)
    assert take(world, lan, "1", wanted=11) == 11
    with pytest.raises(AlreadyExists, match=f"taken by nic {named('nic of 1')}"):
        take(world, lan, "2", wanted=11)
    with pytest.raises(AlreadyExists, match="reserved"):
        take(world, lan, "2", wanted=10)
    with pytest.raises(Invalid, match="none of the address spaces"):
        take(world, lan, "2", wanted=21)
    assert take(world, lan, "2") == 12


def test_promises_in_one_turn_are_all_different(world: World) -> None:
    lan = world.add_range("lan", 0, 499)
    decisions = [ask(world, lan, str(n)) for n in range(500)]
    assert sorted(d.number for d in decisions) == list(range(500))
    with pytest.raises(Exhausted):
        ask(world, lan, "500")
    world.commit(*decisions)
    assert world.addresses.ranges[lan].free_count == 0


def test_the_same_key_gets_the_same_number(world: World) -> None:
    lan = world.add_range("lan", 0, 9)
    first = ask(world, lan, "step")
    assert ask(world, lan, "step") == first
    world.commit(first)
    again = ask(world, lan, "step", wanted=7)
    assert (again.number, again.appends) == (first.number, ())
    (held,) = world.addresses.holds.values()
    assert (held.number, held.holder) == (0, named("nic of step"))


def test_a_forgotten_number_is_free_again(world: World) -> None:
    lan = world.add_range("lan", 0, 9)
    ask(world, lan, "1")
    world.allocator.forget(named("1"))
    assert take(world, lan, "2") == 0
    world.allocator.forget(named("2"))
    assert take(world, lan, "3") == 1


def test_a_number_lost_to_another_controller_stays_taken(world: World) -> None:
    lan = world.add_range("lan", 0, 9)
    mine = ask(world, lan, "mine")
    theirs = AddressTaken(
        hold=named("theirs"), space_id=lan, number=0, holder=named("x"), purpose="nic"
    )
    world.record(address_ledger(lan, 0), [theirs])
    with pytest.raises(Conflict):
        world.commit(mine)
    world.allocator.forget(named("mine"))
    assert take(world, lan, "mine") == 1
    assert world.addresses.holder_of(lan, 0) == theirs


def test_a_freed_number_goes_on_with_its_old_stream(world: World) -> None:
    lan = world.add_range("lan", 0, 0)
    for n in range(3):
        take(world, lan, str(n))
        world.done(world.allocator.release_address(named(str(n))))
    assert ask(world, lan, "next").appends[0].expected == 6


def test_removing_a_space_ends_every_hold_in_it(world: World) -> None:
    lan, other = world.add_range("lan", 0, 9), world.add_range("other", 0, 9)
    take(world, lan, "1")
    take(world, other, "2")
    ask(world, lan, "pending")
    world.record(lan, [AddressSpaceRemoved()])
    assert list(world.addresses.holds) == [named("2").int]
    assert lan not in world.cloud[address_spaces]
    assert world.allocator.release_address(named("1")).appends == ()
    world.allocator.forget(named("pending"))
    assert world.rebuilt().digest() == world.cloud.digest()


def test_macs_cost_only_what_is_in_use(world: World) -> None:
    macs = world.add_range("macs", MAC_FIRST, MAC_LAST)
    assert mac_text(take(world, macs, "1")) == "02:53:00:00:00:00"
    far = MAC_FIRST + WINDOW + 5
    assert take(world, macs, "2", wanted=far) == far
    with pytest.raises(AlreadyExists):
        take(world, macs, "3", wanted=far)
    assert take(world, macs, "3") == MAC_FIRST + 1
    world.done(world.allocator.release_address(named("2")))
    assert ask(world, macs, "4", wanted=far).appends[0].expected == 2
    world.allocator.forget(named("4"))
    assert world.rebuilt().digest() == world.cloud.digest()


def test_a_number_outside_the_range_keeps_its_past_and_harms_no_other() -> None:
    space = AddressSpaceCreated(purpose="vlan", zone_id=named("zone"), first=10, last=12)
    numbers = AddressRange(space)
    numbers.take(10)
    numbers.set_version(10, 1)
    for outside in (9, 13):
        numbers.set_version(outside, 2)
        assert (outside in numbers, numbers.is_taken(outside)) == (False, False)
    assert numbers.touched() == [(9, 2), (10, 1), (13, 2)]
    assert numbers.lowest_free() == 11


def test_numbers_past_the_window_are_found_lowest_first(world: World) -> None:
    space = world.add_range("wide", 0, WINDOW + 9)
    numbers = world.addresses.ranges[space]
    for number in range(WINDOW + 2):
        numbers.take(number)
    assert numbers.lowest_free() == WINDOW + 2
    numbers.free(WINDOW + 1)
    assert numbers.lowest_free() == WINDOW + 1
    numbers.free(5)
    assert numbers.lowest_free() == 5


@pytest.mark.parametrize(
    ("size", "lane", "first"), [(65_536, 3, 3 * 4096), (254, 3, 45), (10, 3, 0)]
)
def test_controllers_look_in_lanes_and_find_every_number(size: int, lane: int, first: int) -> None:
    numbers = AddressRange(
        AddressSpaceCreated(purpose="x", zone_id=named("z"), first=0, last=size - 1)
    )
    assert numbers.free_in_lane(lane) == first
    found = set()
    for _ in range(size):
        number = numbers.free_in_lane(lane)
        assert number is not None
        numbers.take(number)
        found.add(number)
    assert found == set(range(size))
    assert numbers.free_in_lane(lane) is None


def test_a_range_is_saved_as_it_is_but_for_what_is_only_promised() -> None:
    space = AddressSpaceCreated(
        purpose="mac", zone_id=named("zone"), first=10, last=10 + 2 * WINDOW, reserved=[11]
    )
    numbers, far = AddressRange(space), 10 + WINDOW + 5
    for number in (10, 12, 5_000, far, far + 1):
        numbers.take(number)
    for number, version in ((9, 2), (12, 1), (700, 4), (far, 3)):
        numbers.set_version(number, version)
    again = AddressRange(space)
    again.restore(numbers.saved(without=[12, far + 1]))
    assert again.taken_numbers() == [10, 11, 5_000, far]
    assert (again.taken_count, again.lowest_free()) == (4, 12)
    assert again.touched() == [(9, 2), (12, 1), (700, 4), (far, 3)]
    again.take(12)
    again.take(6_000)
    again.set_version(6_000, 1)
    assert (again.version(6_000), again.version(5_999), again.lowest_free()) == (1, 0, 13)
    numbers.free(far + 1)
    numbers.take(6_000)
    numbers.set_version(6_000, 1)
    assert again.saved([]) == numbers.saved([])
