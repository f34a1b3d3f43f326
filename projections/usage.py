"""What everybody used, and from when to when: spans that follow from the lives of rows.

A noun says once what its rows are metered for. When an event changes the answer, the span that
was open ends and another begins, at the time that the log has for the event. So usage of a period
is the same whenever it is asked for, and nothing has to run at midnight.

    metered("snapshot", lambda row, cloud: (Meter(SNAPSHOT, row.size_bytes, ...),))
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from importlib import import_module
from operator import attrgetter
from pkgutil import iter_modules
from typing import Any, ClassVar
from uuid import UUID

import msgspec

import aggregates
from aggregates.base import EVENTS, Recorded
from aggregates.usage import UsageForgotten
from projections.cloud import Cloud, projection
from projections.network import networks

RUNNING_VM, ALLOCATED_VM, IP_ADDRESS, VOLUME = 1, 2, 3, 6
TEMPLATE, ISO, SNAPSHOT, SECURITY_GROUP, LOAD_BALANCER = 7, 8, 9, 10, 11
PORT_FORWARDING, NETWORK_OFFERING, VPN_USER, VM_SNAPSHOT, NETWORK, VPC = 12, 13, 14, 25, 30, 31
METERED_KINDS = frozenset({
    RUNNING_VM, ALLOCATED_VM, IP_ADDRESS, VOLUME, TEMPLATE, ISO, SNAPSHOT, SECURITY_GROUP,
    LOAD_BALANCER, PORT_FORWARDING, NETWORK_OFFERING, VPN_USER, VM_SNAPSHOT, NETWORK, VPC,
})  # fmt: skip


class Meter(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a row is metered for, and as what: a change of any field begins another span.

    `kind` is CloudStack's number. `about` is the thing where it is not the row itself.
    """

    kind: int
    name: str = ""
    offering_id: UUID | None = None
    template_id: UUID | None = None
    size_bytes: int | None = None
    virtual_bytes: int | None = None
    cpu_count: int | None = None
    cpu_mhz: int | None = None
    memory_mib: int | None = None
    what: str = ""
    about: UUID | None = None
    vm_id: UUID | None = None
    network_id: UUID | None = None
    is_default: bool | None = None
    is_source_nat: bool | None = None


class Span(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing, metered in one way, for as long as that was so. `end_ms` is 0 while it is."""

    thing_id: UUID
    account_id: UUID
    domain_id: UUID | None
    zone_id: UUID | None
    meter: Meter
    begin_ms: int
    end_ms: int = 0


Meters = Callable[[Any, Cloud], tuple[Meter, ...]]
METERED: dict[str, Meters] = {}
# Common events that change nothing of what is metered.
IDLE = frozenset({
    "vm.busy", "vm.work_begun", "vm.growing", "volume.busy", "volume.growing", "volume.idle",
    "volume.attached", "volume.detached", "network.implemented",
})  # fmt: skip


def metered(kind: str, meters: Meters) -> None:
    """Meter the rows of a noun, whether or not there is such a noun yet."""
    METERED[kind] = meters


def _vm(row: Any, cloud: Cloud) -> tuple[Meter, ...]:
    """Allocated until it is destroyed, and running while it is on a host."""
    state = row.before if row.state == "Expunging" else row.state
    if state == "Destroyed":
        return ()
    size = (row.cpu_count, row.cpu_mhz, row.memory_mib, row.hypervisor)
    whose = (row.name, row.service_offering_id, row.template_id, None, None, *size)
    found = [Meter(ALLOCATED_VM, *whose)]
    if row.host_id is not None:
        found.append(Meter(RUNNING_VM, *whose))
    for nic in row.nics:
        network = cloud[networks].get(nic.network_id)
        if network is not None:
            found.append(
                Meter(
                    NETWORK_OFFERING,
                    row.name,
                    network.offering_id,
                    network_id=network.id,
                    about=nic.id,
                    vm_id=row.id,
                    is_default=nic.is_default,
                )
            )
    groups = getattr(row, "security_group_ids", ())
    found += [Meter(SECURITY_GROUP, row.name, about=one, vm_id=row.id) for one in groups]
    return tuple(found)


def _volume(row: Any, cloud: Cloud) -> tuple[Meter, ...]:
    return (Meter(VOLUME, row.name, row.offering_id, row.template_id, row.size_bytes),)


def _image(kind: int) -> Meters:
    def meters(row: Any, cloud: Cloud) -> tuple[Meter, ...]:
        if not row.size_bytes:  # it is not here yet
            return ()
        physical = getattr(row, "physical_bytes", None) or row.size_bytes
        return (Meter(kind, row.name, None, None, physical, row.size_bytes),)

    return meters


def _kept(kind: int) -> Meters:
    def meters(row: Any, cloud: Cloud) -> tuple[Meter, ...]:
        size, vm_id = getattr(row, "size_bytes", None), getattr(row, "vm_id", None)
        name = getattr(row, "name", "") or getattr(row, "username", "")
        return (Meter(kind, name, size_bytes=size, vm_id=vm_id),)

    return meters


def _address(row: Any, cloud: Cloud) -> tuple[Meter, ...]:
    name = str(getattr(row, "address", None) or getattr(row, "ip4", ""))
    source_nat = bool(getattr(row, "is_source_nat", False))
    return (Meter(IP_ADDRESS, name, is_source_nat=source_nat),)


def _net(kind: int) -> Meters:
    def meters(row: Any, cloud: Cloud) -> tuple[Meter, ...]:
        return (Meter(kind, row.name, getattr(row, "offering_id", None)),)

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
        self._open: dict[UUID, tuple[Span, ...]] = {}
        self._over: list[Span] = []

    def bind(self, cloud: Cloud) -> None:
        """Rows are metered as these tables hold them."""
        self._cloud = cloud

    def between(self, first_ms: int, last_ms: int) -> Iterator[Span]:
        """The spans that have a part in this time."""
        for span in self._over[bisect_right(self._over, first_ms, key=attrgetter("end_ms")) :]:
            if span.begin_ms < last_ms:
                yield span
        for spans in self._open.values():
            yield from (span for span in spans if span.begin_ms < last_ms)

    def fold(self, recorded: Recorded) -> None:
        happened = recorded.event
        if isinstance(happened, UsageForgotten):
            known = bisect_right(self._over, happened.before_ms, key=attrgetter("end_ms"))
            del self._over[:known]
            return
        row: Any = None
        if not happened.REMOVES:
            row = self._cloud.table(happened.KIND).get(recorded.stream)
        self._settle(recorded, row)

    def _settle(self, recorded: Recorded, row: Any) -> None:
        """End what is so no more, begin what is so now, and leave alone what goes on."""
        thing_id = recorded.stream if row is None else row.id
        open_spans = self._open.get(thing_id, ())
        account_id = getattr(row, "account_id", None)
        wanted: list[Meter] = []
        if account_id is not None:
            wanted = list(METERED[recorded.event.KIND](row, self._cloud))
        domain_id = getattr(row, "domain_id", None)
        goes_on = []
        for span in open_spans:
            same_owner = (span.account_id, span.domain_id) == (account_id, domain_id)
            if same_owner and span.meter in wanted:
                wanted.remove(span.meter)
                goes_on.append(span)
            elif span.begin_ms < recorded.at_ms:
                self._over.append(msgspec.structs.replace(span, end_ms=recorded.at_ms))
        if len(goes_on) == len(open_spans) and not wanted:
            return
        zone_id = getattr(row, "zone_id", None)
        goes_on += [
            Span(thing_id, account_id, domain_id, zone_id, meter, recorded.at_ms)
            for meter in wanted
            if account_id is not None
        ]
        if goes_on:
            self._open[thing_id] = tuple(goes_on)
        else:
            self._open.pop(thing_id, None)

    def encode(self) -> bytes:
        return msgspec.msgpack.encode((self._open, self._over))

    def restore(self, encoded: bytes) -> None:
        self._open, self._over = msgspec.msgpack.decode(
            encoded, type=tuple[dict[UUID, tuple[Span, ...]], list[Span]]
        )
