"""A table that packs rows is told from one that does not by nothing but what it takes."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar, cast
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import asdict, force_setattr, replace

from aggregates.appliance import Deployed
from aggregates.base import AGGREGATES, Event, Recorded
from aggregates.vm import Nic, NicIp, Vm, VmCreated, VmExpunged, VmLeased, VmStarted, VmStopped
from api.reads import Reads
from benchmarks.cloud import load_nouns
from benchmarks.memory_child import Walk
from engine import cooling
from engine.history import UNREADABLE
from projections import cold, forms
from projections.cloud import Cloud
from projections.cold import Cold
from projections.table import TABLES, Table
from projections.vm import vms

load_nouns()
DOINGS = st.lists(
    st.tuples(
        st.sampled_from(
            ["create", "start", "stop", "lease", "remove", "get", "hold", "drop", "walk", "restore"]
            + 4 * ["cool"]
        ),
        st.integers(0, 7),
    ),
    max_size=60,
)


def _id(number: int) -> UUID:
    return UUID(int=number << 64 | 7)


def made(number: int) -> VmCreated:
    ips = (NicIp(id=_id(300 + number), ip4="10.0.1.9"),) if number % 3 == 0 else ()
    nic = Nic(id=_id(100 + number), network_id=_id(50), mac=f"02:{number:02x}", more_ips=ips)
    return VmCreated(
        name=f"Guest-{number % 3}", display_name="", account_id=_id(number % 2), domain_id=_id(51),
        user_id=None, zone_id=_id(52), template_id=None, service_offering_id=_id(53),
        hypervisor="KVM", cpu_count=1, cpu_mhz=500, memory_mib=512, instance_name="", host_tags=[],
        details={"k": "v"} if number % 2 else {}, is_displayed=True, nics=[nic] * (number % 4),
    )  # fmt: skip


class Both:
    """The same past in a table that packs, and in one that does not."""

    def __init__(self) -> None:
        self.packs, self.plain = cast(Any, vms.make)(vms), Table(vms)
        self.at = 0

    def happen(self, number: int, event: Event) -> None:
        self.at += 1
        recorded = Recorded(
            position=self.at, stream=_id(number), version=self.at, at_ms=self.at // 2, event=event
        )
        self.plain.fold(recorded)
        if self.packs._is_deferred:
            self.packs.past(type(event))(recorded)
        else:
            self.packs.fold(recorded)

    def do(self, what: str, number: int) -> None:
        row = self.plain.get(_id(number))
        if what == "create" and row is None:
            self.happen(number, made(number))
        elif row is None:
            return
        elif what == "start":
            self.happen(number, VmStarted(host_id=_id(60 + number % 2), hold=_id(70 + number)))
        elif what == "stop":
            self.happen(number, VmStopped())
        elif what == "lease":
            self.happen(number, VmLeased(lease_ends_at_ms=self.at, lease_action="STOP"))
        elif what == "remove":
            self.happen(number, VmExpunged())

    def agree(self) -> None:
        assert [asdict(row) for row in self.packs] == [asdict(row) for row in self.plain]
        for attribute in vms.indexed:
            values = (getattr(row, attribute) for row in self.plain)
            listed = Counter(v for v in values if v or attribute not in vms.seldom)
            assert self.plain.counts(attribute) == listed
            assert self.packs.counts(attribute) == self.plain.counts(attribute)
            for value in self.plain.counts(attribute):
                found, wanted = (t.by(attribute, value) for t in (self.packs, self.plain))
                assert [row.id for row in found] == [row.id for row in wanted]
                assert self.packs.one(attribute, value) is found[0]


@given(DOINGS, st.integers(0, 3))
def test_a_row_is_one_object_while_anybody_has_it(doings: list[Any], warm_most: int) -> None:
    """However often it is packed meanwhile, and it goes on changing in their hands."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cold, "WARM_MOST", warm_most)
        both, held = Both(), dict[int, Vm]()
        walks: list[Iterator[Vm]] = []
        for what, number in doings:
            both.do(what, number)
            if _id(number) not in both.plain:
                held.pop(number, None)
            elif what == "hold":
                held[number] = both.packs[_id(number)]
            elif what == "get":
                assert both.packs.get(_id(number)) == both.plain.get(_id(number))
            elif what == "walk":
                walks.append(iter(both.packs))
                row = next(walks[-1])
                assert both.packs[row.id] is row
            if what == "drop":
                held.pop(number, None)
                walks.clear()
            if what == "cool":
                both.packs.cool(number + 1)
            for mine, row in held.items():
                assert both.packs.get(_id(mine)) is row and row == both.plain[_id(mine)]
            if what == "restore" and not held:
                encoded, saved = both.packs.encode(), both.packs.saved()
                both.packs = cast(Any, vms.make)(vms)
                both.packs.restore(saved)
                assert not any(type(row) is Vm for row in both.packs.rows.values())
                assert both.packs.encode() == encoded
        both.agree()
        while both.packs.cool(len(both.packs)):
            pass
        objects = sum(type(row) is Vm for row in both.packs.rows.values())
        assert objects <= warm_most + len(held) + len(walks) + 1, "nobody has the others"


def _anew(both: Both) -> None:
    """The table that packs, as a start takes it from a checkpoint."""
    saved = both.packs.saved()
    both.packs = cast(Any, vms.make)(vms)
    both.packs.defer()
    both.packs.restore(saved)


@given(DOINGS, DOINGS, st.integers(0, 3))
@example([("create", 0), ("create", 1)], [("remove", 0), ("create", 0)], 0)
def test_what_came_behind_a_checkpoint_changes_its_indexes(
    before: list[Any], behind: list[Any], words_most: int
) -> None:
    """However much of it, and though no other row is ever made."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(forms, "WORDS_MOST", words_most)
        both = Both()
        for what, number in before:
            both.do(what, number)
        _anew(both)
        stayed = {number for number in range(8) if _id(number) in both.plain}
        for what, number in behind:
            both.do(what, number)
            stayed.discard(number)
        both.packs.settle()
        assert all(type(both.packs.rows[_id(number).int]) is bytes for number in stayed)
        both.agree()
        _anew(both)
        both.packs.settle()
        both.agree()


def test_a_checkpoint_has_room_for_words_again_once_they_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of what is long gone are left out of it."""
    both = Both()
    both.do("create", 1)
    both.packs.saved()
    monkeypatch.setattr(forms, "WORDS_MOST", len(both.packs._words.values))
    both.do("remove", 1)
    both.do("create", 2)
    _anew(both)
    both.packs.settle()
    assert _id(1) not in both.packs._words.values and _id(0) in both.packs._words.values
    both.agree()


def _past() -> Cloud:
    cloud = Cloud()
    cloud.fold(
        Recorded(position=number, stream=_id(number), version=1, at_ms=number, event=made(number))
        for number in range(1, 10)
    )
    return cloud


@pytest.mark.parametrize("part", ["table:vm", "fold:Counts", "fold:Nics"])
def test_a_checkpoint_with_damage_in_packed_rows_is_refused(part: str) -> None:
    """At once, and not when somebody looks at the row."""
    position, at_ms, parts = msgspec.msgpack.decode(_past().save())
    for at in range(0, len(parts[part]), 7):
        damaged = bytearray(parts[part])
        damaged[at] ^= 1
        saved = msgspec.msgpack.encode((position, at_ms, parts | {part: bytes(damaged)}))
        with pytest.raises(UNREADABLE):
            Cloud.deferred(saved)


def test_a_view_makes_no_row_an_object_that_stays() -> None:
    cloud = Cloud.load(_past().save())
    read = cast(Any, Reads(cloud))[vms]
    assert read.get(_id(1)).name == read[_id(1)].name == "Guest-1"
    assert [row.id for row in read.by("account_id", _id(1))] == [_id(n) for n in range(1, 10, 2)]
    assert [row.id for row in read] == [_id(number) for number in range(1, 10)]
    assert read.get(None) is None and read.get(_id(99)) is None
    assert not any(type(row) is Vm for row in cloud[vms].rows.values())


def _full(row: Any) -> Any:
    """The same row with nothing as it is by default, as far as that can be said for any noun."""
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if value is None and name.endswith("_id"):
            force_setattr(row, name, _id(hash(name) % 1000))
        elif value == 0 and type(value) is int:
            force_setattr(row, name, 7)
        elif value is False or value is True:
            force_setattr(row, name, not value)
        elif value == "":
            force_setattr(row, name, name)
    return row


@pytest.mark.parametrize("words_most", [0, 3, forms.WORDS_MOST])
def test_any_row_comes_back_as_it_was(words_most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is as usual or is not, and whether or not its words have numbers."""
    monkeypatch.setattr(forms, "WORDS_MOST", words_most)
    both = Both()
    for number in range(8):
        both.do("create", number)
        both.do("start", number)
    rows = list(both.plain)
    rows += [_full(replace(row)) for row in rows]
    rows.append(replace(rows[0], appliance=Deployed(product="p"), more_holds=[_id(9)]))
    rows.append(
        replace(rows[0], affinity_group_ids=(_id(1),), is_scalable=True, public_keys=("k",))
    )
    form = both.packs._form
    for row in rows:
        packed = form.pack(row)
        assert asdict(form.unpack(packed, row.id.int)) == asdict(row)
        assert forms.created_of(packed) == row.created_at_ms
        seen = form.glance(packed, row.id.int)
        for name in (*Vm.__struct_fields__, "holds", "KIND"):
            if name != "nics":
                assert getattr(seen, name) == getattr(row, name)
        for nic, its in zip(seen.nics, row.nics, strict=True):
            assert [getattr(nic, name) for name in Nic.__struct_fields__] == list(
                asdict(its).values()
            )


def test_a_packed_guest_takes_a_fraction_of_what_its_row_takes() -> None:
    both = Both()
    both.do("create", 1)
    both.do("start", 1)
    (row,) = both.plain
    size_bytes = len(both.packs._form.pack(row))
    assert size_bytes < 180 and size_bytes * 5 < Walk().of(row)


async def test_rows_are_packed_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold, "WARM_MOST", 2)
    monkeypatch.setattr(cooling, "ROWS_A_PIECE", 3)
    cloud = _past()

    class Naps:
        """Says how many rows are objects whenever somebody sleeps, and for how long."""

        told: ClassVar[list[tuple[int, float]]] = []

        def now_ms(self) -> int:
            return 0

        async def sleep(self, seconds: float) -> None:
            self.told.append((sum(type(row) is Vm for row in cloud[vms].rows.values()), seconds))
            if seconds == cooling.REST_S:
                raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await cooling.keep_cool(cloud, Naps())
    between, rest = cooling.BETWEEN_PIECES_S, cooling.REST_S
    assert Naps.told == [(6, between), (3, between), (2, between), (2, rest)]


def test_the_packing_tables_are_those_of_many_rows() -> None:
    made = {kind: spec.make(spec) for kind, spec in TABLES.items() if spec.make is not None}
    packing = {kind for kind, one in made.items() if isinstance(one, Cold)}
    assert packing == {"vm", "volume"} <= AGGREGATES.keys()


def test_what_one_dict_and_one_variable_have_is_counted_as_alone() -> None:
    rows = {0: object()}
    row = rows.get(0)
    assert sys.getrefcount(row) == cold.ALONE
    other = row
    assert sys.getrefcount(row) == cold.ALONE + 1, other
