"""Equal ids, words and empty lists are one object in rows, which nobody can change there."""

from __future__ import annotations

import copy
from collections.abc import Callable
from uuid import UUID

import msgspec
import pytest

from aggregates.base import Recorded
from aggregates.capacity import CapacityHeld
from aggregates.vm import Nic, Vm, VmCreated, VmNicsSet, VmStarted
from projections import shared as sharing
from projections.cloud import Cloud
from projections.shared import KEPT_IDS, NO_FIELDS, NO_ITEMS, shared
from projections.vm import vms

OWNER, ZONE, HOST, HOLD, NET = (UUID(int=number) for number in range(1, 6))


def _again(value: UUID) -> UUID:
    """An equal id that is another object, as decoding makes it."""
    return UUID(int=value.int)


def _guests(cloud: Cloud, count: int) -> list[Vm]:
    for number in range(count):
        vm_id = UUID(int=100 + number)
        made = VmCreated(
            name="one", display_name="".join(("o", "ne")), account_id=_again(OWNER),
            domain_id=_again(OWNER), user_id=None, zone_id=_again(ZONE), template_id=None,
            service_offering_id=_again(ZONE), hypervisor="KVM", cpu_count=1, cpu_mhz=500,
            memory_mib=512, instance_name="", host_tags=[], details={}, is_displayed=True, nics=[],
        )  # fmt: skip
        nic = Nic(id=UUID(int=200 + number), network_id=_again(NET), mac="02:00")
        held = CapacityHeld(
            hold=_again(HOLD) if not number else UUID(int=300 + number), host_id=_again(HOST),
            vm_id=_again(vm_id), cpu_count=1, cpu_mhz=500, memory_mib=512,
        )  # fmt: skip
        events = (
            (vm_id, made), (_again(vm_id), VmNicsSet(nics=[nic])), (UUID(int=9), held),
            (vm_id, VmStarted(host_id=_again(HOST), hold=_again(held.hold))),
        )  # fmt: skip
        for at, (stream, event) in enumerate(events, cloud.position + 1):
            cloud.fold([Recorded(position=at, stream=stream, version=1, at_ms=at, event=event)])
    return list(cloud[vms])


@pytest.mark.parametrize("deferred", [False, True])
def test_rows_hold_the_same_objects(deferred: bool) -> None:
    cloud = Cloud().defer() if deferred else Cloud()
    one, two = _guests(cloud, 2)
    cloud.settle()
    for name in ("account_id", "zone_id", "host_id", "name", "key_pairs", "details"):
        assert getattr(one, name) is getattr(two, name), name
    assert one.display_name is one.name
    assert one.nics[0].network_id is two.nics[0].network_id


def test_a_past_that_is_taken_in_keeps_each_id_and_number_once() -> None:
    """Also where more ids than the live cloud remembers lie between."""
    told = Cloud().defer()
    _guests(told, 2)
    table = told.settle()[vms]
    one, two = table
    assert [id(key) for key in table.rows] == [id(row.id.int) for row in (one, two)]
    assert one.cpu_mhz is two.cpu_mhz and one.cpu_mhz > 256


def test_more_ids_are_remembered_while_a_past_is_taken_in() -> None:
    cloud = Cloud().defer()
    first = shared(UUID(int=1 << 102))
    for number in range(KEPT_IDS + 1):
        shared(UUID(int=(1 << 103) + number))
    assert shared(UUID(int=1 << 102)) is first
    cloud.settle()
    assert not sharing._ids


def test_what_rows_share_cannot_be_changed_but_a_copy_can() -> None:
    (row,) = _guests(Cloud(), 1)
    assert row.key_pairs is NO_ITEMS and row.details is NO_FIELDS
    changes: tuple[Callable[[], object], ...] = (
        lambda: row.key_pairs.append("x"),
        lambda: row.key_pairs.extend("x"),
        lambda: row.details.update(a="b"),
        lambda: row.details.__setitem__("a", "b"),
    )
    for change in changes:
        with pytest.raises(TypeError, match="give the row another"):
            change()
    mine = copy.deepcopy(row)
    mine.key_pairs.append("x")
    mine.details["a"] = "b"
    assert row.key_pairs == [] and row.details == {}
    assert msgspec.json.decode(msgspec.json.encode(row), type=Vm) == row


def test_no_more_ids_are_remembered_than_may_be() -> None:
    first = shared(UUID(int=1 << 100))
    assert shared(UUID(int=1 << 100)) is first
    for number in range(KEPT_IDS + 1):
        shared(UUID(int=(1 << 101) + number))
    assert shared(UUID(int=1 << 100)) is not first
