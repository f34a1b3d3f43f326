"""A past that was folded at once, or loaded, is the cloud that followed event by event."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

from aggregates.base import Event, Recorded
from aggregates.network import NetworkCreated, NetworkOfferingChanged
from aggregates.record import RECORDS
from aggregates.vm import Nic, VmCreated, VmExpunged, VmNicsSet, VmStarted, VmStopped
from benchmarks.cloud import load_nouns
from projections.cloud import Cloud
from projections.counts import Counts
from projections.nic import Nics
from projections.table import Table
from projections.tag import tags
from projections.vm import vms

load_nouns()
GUESTS = 60


def _id(number: int) -> UUID:
    return UUID(int=number)


def _past(rng: random.Random) -> list[Recorded]:
    """Guests of a few accounts and names that start, stop and go; some have tags."""
    told: list[Recorded] = []
    versions: dict[UUID, int] = {}

    def happen(stream: UUID, event: Event) -> None:
        versions[stream] = version = versions.get(stream, 0) + 1
        at = len(told) + 1
        told.append(
            Recorded(position=at, stream=_again(stream), version=version, at_ms=at, event=event)
        )

    happen(_id(9), _network())
    for number in range(GUESTS):
        if number in (0, 7, 14):
            offering = _id(90 + number % 2)
            happen(_id(9), NetworkOfferingChanged(offering_id=offering, services={}))
        vm_id, account = _id(1000 + number), _id(1 + number % 3)
        nic = Nic(id=_id(2000 + number), network_id=_id(9), mac=f"02:{number:02x}")
        made = VmCreated(
            name=f"Guest-{number % 40}", display_name="", account_id=_again(account),
            domain_id=_id(7), user_id=None, zone_id=_id(8), template_id=None,
            service_offering_id=_id(6), hypervisor="KVM", cpu_count=1, cpu_mhz=500,
            memory_mib=512, instance_name="", host_tags=[], details={}, is_displayed=True, nics=[],
        )  # fmt: skip
        happen(vm_id, made)
        happen(vm_id, VmNicsSet(nics=[nic]))
        tag = {"kind": "vm", "resource_id": vm_id, "key": "k", "value": "v"}
        fields = tag | {"account_id": account, "domain_id": _id(7)}
        happen(_id(3000 + number), RECORDS["tag"].create(fields))
        for _ in range(rng.randrange(4)):
            happen(vm_id, VmStarted(host_id=_id(5 - rng.randrange(2)), hold=_id(4000 + number)))
            happen(vm_id, VmStopped())
        if number % 4 == 0:
            happen(vm_id, VmExpunged())
    for number in range(1, GUESTS, 2):
        happen(_id(1000 + number), VmStarted(host_id=_id(5), hold=_id(5000 + number)))
    return told


def _network() -> NetworkCreated:
    return NetworkCreated(
        name="n", display_text="", account_id=_id(1), domain_id=_id(7), zone_id=_id(8),
        offering_id=_id(90), guest_ip_type="Shared", physical_network_id=None, gateway="",
        netmask="", cidr="", start_ip="", end_ip="", vlan=None, acl_type="Domain",
        network_domain="", dns1="", dns2="", is_displayed=True, services={},
    )  # fmt: skip


def _again(value: UUID) -> UUID:
    """An equal id that is another object, as decoding makes them."""
    return UUID(int=value.int)


def _indexes(table: Table[Any]) -> dict[str, dict[object, set[UUID]]]:
    """Every index entry as a reader sees it."""
    return {
        name: {value: {row.id for row in table.by(name, value)} for value in table.counts(name)}
        for name in table.spec.indexed
    }


def test_a_past_folded_at_once_is_the_same_cloud() -> None:
    past = _past(random.Random(3))
    live, half = Cloud(), len(past) // 2
    live.fold(past[:half])
    saved = live.save()
    live.fold(past[half:])
    at_once, onward = Cloud().defer(), Cloud.deferred(saved)
    at_once.fold(past)
    onward.fold(past[half:])
    loaded = Cloud.load(live.save())
    for other in (at_once.settle(), onward.settle(), loaded):
        assert other.digest() == live.digest()
        for kind in ("vm", "tag"):
            assert _indexes(other.table(kind)) == _indexes(live.table(kind))
        assert {row.id for row in other[vms].by_text("name", "GUEST-2")} == {_id(1002), _id(1042)}
        assert other.view(Nics)[_id(2001)].vm_id == _id(1001)
        assert _id(2000) not in other.view(Nics)
        assert other.view(Counts).count(_id(2), "user_vm") == 20 - 5
        other.fold(_more(len(past) + 1))
        assert {row.id for row in other[vms].by("host_id", _id(77))} == {_id(1001)}
    assert len(live[tags]) == GUESTS * 3 // 4


def _more(position: int) -> list[Recorded]:
    """One more start of a guest, after whatever it did before."""
    event = VmStarted(host_id=_id(77), hold=_id(1))
    return [Recorded(position=position, stream=_id(1001), version=99, at_ms=position, event=event)]


def test_rows_share_the_ids_that_they_have_in_common() -> None:
    cloud = Cloud().defer()
    cloud.fold(_past(random.Random(3)))
    for one in (cloud.settle(), Cloud.load(cloud.save())):
        mine = list(one[vms].by("account_id", _id(2)))
        assert len(mine) > 1
        assert len({id(row.account_id) for row in mine}) == 1


def test_counts_of_a_checkpoint_are_made_anew_once_a_domain_is_below_another() -> None:
    past = _past(random.Random(3))
    live = Cloud()
    live.fold(past)
    domain = RECORDS["domain"]
    behind: list[tuple[int, Event]] = [
        (number, domain.create({"name": f"d{number}", "path": "/", "level": 1}))
        for number in (7, 70)
    ]
    _happen(live, behind)
    assert live.view(Counts).count(_id(70), "user_vm") == 0
    onward = Cloud.deferred(live.save())
    for cloud in (live, onward):
        _happen(cloud, [(7, domain.updated(changed={"parent_id": str(_id(70))}))])
    assert onward.settle().digest() == live.digest()
    assert onward.view(Counts).count(_id(70), "user_vm") == GUESTS * 3 // 4


def _happen(cloud: Cloud, events: list[tuple[int, Event]]) -> None:
    """Let these happen next, each to the stream of a number."""
    first = cloud.position + 1
    cloud.fold(
        Recorded(position=at, stream=_id(number), version=1, at_ms=at, event=event)
        for at, (number, event) in enumerate(events, first)
    )
