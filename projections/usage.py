"""What everybody used, and from when to when: spans that follow from the lives of rows.

A noun says once what its rows are metered for. When an event changes the answer, the span that
was open ends and another begins, at the time that the log has for the event. So usage of a period
is the same whenever it is asked for, and nothing has to run at midnight.

    metered("snapshot", lambda row, cloud: (Meter(SNAPSHOT, row.size_bytes, ...),))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ClassVar
from uuid import UUID

import aggregates
from aggregates.base import EVENTS, Recorded
from aggregates.usage import UsageForgotten
from projections.cloud import Cloud, projection
from projections.network import networks
from projections.usage_spans import (
    EndedSpans,
    Going,
    Meter,
    OpenSpans,
    Span,
    encode,
    owner_of,
    restore,
    shape_of,
)

RUNNING_VM, ALLOCATED_VM, IP_ADDRESS, VOLUME = 1, 2, 3, 6
TEMPLATE, ISO, SNAPSHOT, SECURITY_GROUP, LOAD_BALANCER = 7, 8, 9, 10, 11
PORT_FORWARDING, NETWORK_OFFERING, VPN_USER, VM_SNAPSHOT, NETWORK, VPC = 12, 13, 14, 25, 30, 31
METERED_KINDS = frozenset({
    RUNNING_VM, ALLOCATED_VM, IP_ADDRESS, VOLUME, TEMPLATE, ISO, SNAPSHOT, SECURITY_GROUP,
    LOAD_BALANCER, PORT_FORWARDING, NETWORK_OFFERING, VPN_USER, VM_SNAPSHOT, NETWORK, VPC,
})  # fmt: skip


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
        self._going, self._ended = OpenSpans(), EndedSpans()
        self._at_ms = 0

    def bind(self, cloud: Cloud) -> None:
        """Rows are metered as these tables hold them."""
        self._cloud = cloud

    def between(self, first_ms: int, last_ms: int) -> Iterator[Span]:
        """The spans that have a part in this time."""
        for span in self._ended.since(first_ms):
            if span.begin_ms < last_ms:
                yield span
        for thing, one in self._going.every():
            if one.begin_ms < last_ms:
                yield one.span(thing)

    def fold(self, recorded: Recorded) -> None:
        happened = recorded.event
        if isinstance(happened, UsageForgotten):
            self._ended.forget(happened.before_ms)
            return
        row: Any = None
        if not happened.REMOVES:
            row = self._cloud.table(happened.KIND).get(recorded.stream)
        if recorded.at_ms != self._at_ms:  # one object for all spans that begin at the same time
            self._at_ms = recorded.at_ms
        self._settle(recorded, row)

    def _settle(self, recorded: Recorded, row: Any) -> None:
        """End what is so no more, begin what is so now, and leave alone what goes on."""
        thing_id = recorded.stream
        before = self._going.get(thing_id)
        account_id: UUID | None = getattr(row, "account_id", None)
        wanted: list[tuple[Meter, Meter]] = []
        if account_id is not None:
            meters = METERED[recorded.event.KIND](row, self._cloud)
            wanted = [(shape_of(meter), meter) for meter in meters]
        domain_id: UUID | None = getattr(row, "domain_id", None)
        goes_on = []
        for one in before:
            owner, found = one.owner, None
            if owner.account_id == account_id and owner.domain_id == domain_id:
                for pair in wanted:
                    if one.is_as(*pair):
                        found = pair
                        break
            if found is not None:
                wanted.remove(found)
                goes_on.append(one)
            elif one.begin_ms < recorded.at_ms:
                self._ended.add(one.span(thing_id.int, recorded.at_ms))
        if len(goes_on) == len(before) and not wanted:
            return
        if account_id is not None:
            owner = owner_of(account_id, domain_id, getattr(row, "zone_id", None))
            goes_on += [
                Going(owner, shape, meter.name, meter.about, meter.vm_id, self._at_ms)
                for shape, meter in wanted
            ]
        self._going.put(thing_id, goes_on)

    def encode(self) -> bytes:
        return encode(self._going, self._ended)

    def restore(self, encoded: bytes) -> None:
        restore(encoded, self._going, self._ended)
