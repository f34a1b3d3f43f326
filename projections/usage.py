"""What everybody used, and from when to when: spans that follow from the lives of rows.

A noun says once what its rows are metered for. When an event changes the answer, the span that
was open ends and another begins, at the time that the log has for the event. So usage of a period
is the same whenever it is asked for, and nothing has to run at midnight.

    metered("snapshot", lambda row, cloud: [(shape(SNAPSHOT, size_bytes=...), name, None, None)])
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ClassVar
from uuid import UUID

import aggregates
from aggregates.base import EVENTS, Event, Recorded
from aggregates.ids import id_numbered
from aggregates.usage import UsageForgotten
from projections.cloud import projection
from projections.network import networks
from projections.pieces import pieces
from projections.tables import Tables
from projections.usage_spans import (
    KEPT_OF_PAST,
    KEPT_OPEN,
    KEPT_SHAPES,
    Ended,
    EndedSpans,
    Going,
    Meter,
    Metered,
    OpenSpans,
    Owner,
    Span,
    encode,
    owner_of,
    restore,
    shape,
)

RUNNING_VM, ALLOCATED_VM, IP_ADDRESS, VOLUME = 1, 2, 3, 6
TEMPLATE, ISO, SNAPSHOT, SECURITY_GROUP, LOAD_BALANCER = 7, 8, 9, 10, 11
PORT_FORWARDING, NETWORK_OFFERING, VPN_USER, VM_SNAPSHOT, NETWORK, VPC = 12, 13, 14, 25, 30, 31
METERED_KINDS = frozenset({
    RUNNING_VM, ALLOCATED_VM, IP_ADDRESS, VOLUME, TEMPLATE, ISO, SNAPSHOT, SECURITY_GROUP,
    LOAD_BALANCER, PORT_FORWARDING, NETWORK_OFFERING, VPN_USER, VM_SNAPSHOT, NETWORK, VPC,
})  # fmt: skip


_OF_GUEST = frozenset({ALLOCATED_VM, RUNNING_VM})

Meters = Callable[[Any, Tables], list[Metered]]
METERED: dict[str, Meters] = {}
# Common events that change nothing of what is metered.
IDLE = frozenset({
    "vm.busy", "vm.work_begun", "vm.growing", "volume.busy", "volume.growing", "volume.idle",
    "volume.attached", "volume.detached", "network.implemented",
})  # fmt: skip


def metered(kind: str, meters: Meters) -> None:
    """Meter the rows of a noun, whether or not there is such a noun yet."""
    METERED[kind] = meters


def _vm(row: Any, tables: Tables) -> list[Metered]:
    """Allocated until it is destroyed, and running while it is on a host."""
    state = row.before if row.state == "Expunging" else row.state
    if state == "Destroyed":
        return []
    name, (allocated, running) = row.name, _shapes_of(row)
    found: list[Metered] = [(allocated, name, None, None)]
    if row.host_id is not None:
        found.append((running, name, None, None))
    found += _cards(row, tables)
    groups = getattr(row, "security_group_ids", ())
    found += [(shape(SECURITY_GROUP), name, one, row.id) for one in groups]
    return found


def _cards(row: Any, tables: Tables) -> list[Metered]:
    found: list[Metered] = []
    for nic in row.nics:
        network = tables[networks].get(nic.network_id)
        if network is not None:
            offering = network.offering_id
            kind = _network(network.id.int, offering and offering.int, nic.is_default)
            found.append((kind, row.name, nic.id, row.id))
    return found


def _shapes_of(row: Any) -> tuple[Meter, Meter]:
    """What a guest is metered as, allocated and running."""
    offering, template = row.service_offering_id, row.template_id
    of = offering and offering.int, template and template.int
    return _guest(*of, row.cpu_count, row.cpu_mhz, row.memory_mib, row.hypervisor)


@lru_cache(KEPT_SHAPES)
def _guest(offering: int | None, template: int | None, *size: Any) -> tuple[Meter, Meter]:
    of = _id(offering), _id(template), None, None, *size
    return shape(ALLOCATED_VM, *of), shape(RUNNING_VM, *of)


@lru_cache(KEPT_SHAPES)
def _network(network: int, offering: int | None, is_default: bool) -> Meter:
    network_id = UUID(int=network)
    return shape(NETWORK_OFFERING, _id(offering), network_id=network_id, is_default=is_default)


def _id(number: int | None) -> UUID | None:
    return None if number is None else UUID(int=number)


def _volume(row: Any, tables: Tables) -> list[Metered]:
    kind = shape(VOLUME, row.offering_id, row.template_id, row.size_bytes)
    return [(kind, row.name, None, None)]


def _image(kind: int) -> Meters:
    def meters(row: Any, tables: Tables) -> list[Metered]:
        if not row.size_bytes:  # it is not here yet
            return []
        physical = getattr(row, "physical_bytes", None) or row.size_bytes
        return [(shape(kind, None, None, physical, row.size_bytes), row.name, None, None)]

    return meters


def _kept(kind: int) -> Meters:
    def meters(row: Any, tables: Tables) -> list[Metered]:
        size, vm_id = getattr(row, "size_bytes", None), getattr(row, "vm_id", None)
        name = getattr(row, "name", "") or getattr(row, "username", "")
        return [(shape(kind, size_bytes=size), name, None, vm_id)]

    return meters


def _address(row: Any, tables: Tables) -> list[Metered]:
    name = str(getattr(row, "address", None) or getattr(row, "ip4", ""))
    source_nat = bool(getattr(row, "is_source_nat", False))
    return [(shape(IP_ADDRESS, is_source_nat=source_nat), name, None, None)]


def _net(kind: int) -> Meters:
    def meters(row: Any, tables: Tables) -> list[Metered]:
        return [(shape(kind, getattr(row, "offering_id", None)), row.name, None, None)]

    return meters


metered("vm", _vm)
metered("volume", _volume)
metered("template", _image(TEMPLATE))
metered("iso", _image(ISO))
metered("snapshot", _kept(SNAPSHOT))
metered("vm_snapshot", _kept(VM_SNAPSHOT))
metered("public_ip_address", _address)
metered("load_balancer_rule", _kept(LOAD_BALANCER))
metered("port_forwarding_rule", _kept(PORT_FORWARDING))
metered("vpn_user", _kept(VPN_USER))
metered("network", _net(NETWORK))
metered("vpc", _net(VPC))

for _found in iter_modules(aggregates.__path__):
    import_module(f"aggregates.{_found.name}")


@projection
class Usage:
    """Spans that are open, by their rows, and those that are over, in the order of their ends."""

    TOPICS: ClassVar[tuple[str, ...]] = tuple(
        topic
        for topic, event in EVENTS.items()
        if (event.KIND in METERED and topic not in IDLE) or event is UsageForgotten
    )

    def __init__(self) -> None:
        self._going, self._ended = OpenSpans(), EndedSpans()
        self._at_ms = 0
        # Networks that are of another offering, perhaps, than guests on them are metered by.
        self._moved: set[int] = set()
        self._ways: dict[type[Event], Callable[[Recorded], None]] = {}

    def bind(self, tables: Tables) -> None:
        """Rows are metered as these tables hold them."""
        self._tables = tables

    async def between(self, first_ms: int, last_ms: int) -> AsyncIterator[list[Span]]:
        """The spans that have a part in this time, as is known at first, in pieces: those that are
        over in the order of their ends, then those that go on."""
        ended, going = self._ended.since(first_ms), self._going.every()
        async for some in pieces(ended):
            yield [span for span in some if span.begin_ms < last_ms]
        async for pairs in pieces(going):
            yield [one.span(id_numbered(at)) for at, one in pairs if one.begin_ms < last_ms]

    def defer(self) -> None:
        self._going.keep(KEPT_OF_PAST)

    def past(self, kind: type[Event]) -> Callable[[Recorded], None]:
        return self._way(kind)

    def tidy(self) -> None:
        """Spans share what is alike from the start."""

    def settle(self) -> None:
        """What lies open for the past's sake alone may be packed."""
        self._going.keep(KEPT_OPEN)

    def cool(self, most: int) -> int:
        """Pack a little of it, if there is some; says how much."""
        return self._going.cool(most)

    def fold(self, recorded: Recorded) -> None:
        kind = type(recorded.event)
        way = self._ways.get(kind)
        if way is None:
            way = self._ways[kind] = self._way(kind)
        way(recorded)

    def _way(self, kind: type[Event]) -> Callable[[Recorded], None]:
        """How events of a kind are folded. Most change one span alone, and say which."""
        if kind is UsageForgotten:
            return self._forget
        if kind.CREATES is not None:
            return self._begin
        if kind.REMOVES:
            return self._end
        if kind.KIND == "network":
            return self._move
        shorter = {
            "vm.nics_set": self._connect,
            "vm.started": self._start,
            "vm.stopped": self._stop,
            "volume.ready": self._ready,
        }
        return shorter.get(kind.TOPIC, self._look)

    def _forget(self, recorded: Recorded) -> None:
        forgotten: Any = recorded.event
        self._ended.forget(forgotten.before_ms)

    def _look(self, recorded: Recorded) -> None:
        """See what the row is metered as now."""
        kind = recorded.event.KIND
        row: Any = self._tables.table(kind).get(recorded.stream)
        account_id: UUID | None = getattr(row, "account_id", None)
        if account_id is None:
            self._settle(recorded, None, [])
        else:
            where = getattr(row, "domain_id", None), getattr(row, "zone_id", None)
            metered = METERED[kind](row, self._tables)
            self._settle(recorded, owner_of(account_id, *where), metered)

    def _move(self, recorded: Recorded) -> None:
        """Guests on this network are looked at whole: it may be of another offering."""
        self._moved.add(recorded.stream.int)
        self._look(recorded)

    def _begin(self, recorded: Recorded) -> None:
        """Nothing of it goes on yet."""
        kind = recorded.event.KIND
        row: Any = self._tables.table(kind).get(recorded.stream)
        account_id: UUID | None = getattr(row, "account_id", None)
        if account_id is None:
            return
        where = getattr(row, "domain_id", None), getattr(row, "zone_id", None)
        owner, at_ms = owner_of(account_id, *where), self._at(recorded)
        wanted = METERED[kind](row, self._tables)
        self._going.put(recorded.stream, [Going(owner, *each, at_ms) for each in wanted])

    def _end(self, recorded: Recorded) -> None:
        at_ms = recorded.at_ms
        for one in self._going.get(recorded.stream):
            if one.begin_ms < at_ms:
                self._ended.add(Ended(recorded.stream, one, at_ms))
        self._going.put(recorded.stream, [])
        self._moved.discard(recorded.stream.int)

    def _ready(self, recorded: Recorded) -> None:
        """A volume is mostly as large as it was said to be."""
        before = self._going.get(recorded.stream)
        size_bytes = recorded.event.size_bytes  # type: ignore[attr-defined]
        if len(before) != 1 or before[0].shape.size_bytes != size_bytes:
            self._look(recorded)

    def _connect(self, recorded: Recorded) -> None:
        """The first cards of a guest."""
        before = self._going.get(recorded.stream)
        if not before or any(one.shape.kind not in _OF_GUEST for one in before):
            self._look(recorded)
            return
        row, owner, at_ms = self._guest(recorded), before[0].owner, self._at(recorded)
        cards = [Going(owner, *each, at_ms) for each in _cards(row, self._tables)]
        self._going.put(recorded.stream, [*before, *cards])

    def _start(self, recorded: Recorded) -> None:
        before, row = self._going.get(recorded.stream), self._guest(recorded)
        if any(one.shape.kind == RUNNING_VM for one in before) or not self._is_same(row, before):
            self._look(recorded)
            return
        owner, name, running = before[0].owner, row.name, _shapes_of(row)[1]
        started = Going(owner, running, name, None, None, self._at(recorded))
        self._going.put(recorded.stream, [*before, started])

    def _stop(self, recorded: Recorded) -> None:
        before, at_ms = self._going.get(recorded.stream), recorded.at_ms
        if not self._is_same(self._guest(recorded), before):
            self._look(recorded)
            return
        for one in before:
            if one.shape.kind == RUNNING_VM and one.begin_ms < at_ms:
                self._ended.add(Ended(recorded.stream, one, at_ms))
        left = [one for one in before if one.shape.kind != RUNNING_VM]
        self._going.put(recorded.stream, left)

    def _guest(self, recorded: Recorded) -> Any:
        return self._tables.table("vm").get(recorded.stream)

    def _is_same(self, row: Any, before: tuple[Going, ...]) -> bool:
        """Is a guest allocated, and surely of the same networks as when it was looked at last?"""
        if not before or before[0].shape.kind != ALLOCATED_VM:
            return False
        return not self._moved or all(nic.network_id.int not in self._moved for nic in row.nics)

    def _at(self, recorded: Recorded) -> int:
        """One object for all spans that begin at the same time."""
        if recorded.at_ms != self._at_ms:
            self._at_ms = recorded.at_ms
        return self._at_ms

    def _settle(self, recorded: Recorded, owner: Owner | None, wanted: list[Metered]) -> None:
        """End what is so no more, begin what is so now, and leave alone what goes on."""
        thing_id, at_ms = recorded.stream, recorded.at_ms
        before = self._going.get(thing_id)
        goes_on = []
        for one in before:
            if owner is not None and _goes_on(one, owner, wanted):
                goes_on.append(one)
            elif one.begin_ms < at_ms:
                self._ended.add(Ended(thing_id, one, at_ms))
        if len(goes_on) == len(before) and not wanted:
            return
        if owner is not None:
            begin_ms = self._at(recorded)
            goes_on += [Going(owner, *each, begin_ms) for each in wanted]
        self._going.put(thing_id, goes_on)

    def encode(self) -> bytes:
        return encode(self._going, self._ended)

    def restore(self, encoded: bytes) -> None:
        shapes = restore(encoded, self._going, self._ended)
        self._moved = {one.network_id.int for one in shapes if one.network_id is not None}


def _goes_on(one: Going, owner: Owner, wanted: list[Metered]) -> bool:
    """Is this still so? Then it is wanted no more."""
    if not one.owner.has(owner):
        return False
    for at, each in enumerate(wanted):
        if one.is_as(each):
            del wanted[at]
            return True
    return False
