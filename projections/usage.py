"""What everybody used, and from when to when: spans that follow from the lives of rows.

A noun says once what its rows are metered for. When an event changes the answer, the span that
was open ends and another begins, at the time that the log has for the event. So usage of a period
is the same whenever it is asked for, and nothing has to run at midnight.

    metered("snapshot", lambda row, cloud: [(shape(SNAPSHOT, size_bytes=...), name, None, None)])
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
    Ended,
    EndedSpans,
    Going,
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


Meters = Callable[[Any, Cloud], list[Metered]]
METERED: dict[str, Meters] = {}
# Common events that change nothing of what is metered.
IDLE = frozenset({
    "vm.busy", "vm.work_begun", "vm.growing", "volume.busy", "volume.growing", "volume.idle",
    "volume.attached", "volume.detached", "network.implemented",
})  # fmt: skip


def metered(kind: str, meters: Meters) -> None:
    """Meter the rows of a noun, whether or not there is such a noun yet."""
    METERED[kind] = meters


def _vm(row: Any, cloud: Cloud) -> list[Metered]:
    """Allocated until it is destroyed, and running while it is on a host."""
    state = row.before if row.state == "Expunging" else row.state
    if state == "Destroyed":
        return []
    name, size = row.name, (row.cpu_count, row.cpu_mhz, row.memory_mib, row.hypervisor)
    of = (row.service_offering_id, row.template_id, None, None, *size)
    found: list[Metered] = [(shape(ALLOCATED_VM, *of), name, None, None)]
    if row.host_id is not None:
        found.append((shape(RUNNING_VM, *of), name, None, None))
    for nic in row.nics:
        network = cloud[networks].get(nic.network_id)
        if network is not None:
            kind = shape(
                NETWORK_OFFERING,
                network.offering_id,
                network_id=network.id,
                is_default=nic.is_default,
            )
            found.append((kind, name, nic.id, row.id))
    groups = getattr(row, "security_group_ids", ())
    found += [(shape(SECURITY_GROUP), name, one, row.id) for one in groups]
    return found


def _volume(row: Any, cloud: Cloud) -> list[Metered]:
    kind = shape(VOLUME, row.offering_id, row.template_id, row.size_bytes)
    return [(kind, row.name, None, None)]


def _image(kind: int) -> Meters:
    def meters(row: Any, cloud: Cloud) -> list[Metered]:
        if not row.size_bytes:  # it is not here yet
            return []
        physical = getattr(row, "physical_bytes", None) or row.size_bytes
        return [(shape(kind, None, None, physical, row.size_bytes), row.name, None, None)]

    return meters


def _kept(kind: int) -> Meters:
    def meters(row: Any, cloud: Cloud) -> list[Metered]:
        size, vm_id = getattr(row, "size_bytes", None), getattr(row, "vm_id", None)
        name = getattr(row, "name", "") or getattr(row, "username", "")
        return [(shape(kind, size_bytes=size), name, None, vm_id)]

    return meters


def _address(row: Any, cloud: Cloud) -> list[Metered]:
    name = str(getattr(row, "address", None) or getattr(row, "ip4", ""))
    source_nat = bool(getattr(row, "is_source_nat", False))
    return [(shape(IP_ADDRESS, is_source_nat=source_nat), name, None, None)]


def _net(kind: int) -> Meters:
    def meters(row: Any, cloud: Cloud) -> list[Metered]:
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
                yield one.span(UUID(int=thing))

    def fold(self, recorded: Recorded) -> None:
        happened = recorded.event
        if isinstance(happened, UsageForgotten):
            self._ended.forget(happened.before_ms)
            return
        row: Any = None
        if not happened.REMOVES:
            row = self._cloud.table(happened.KIND).get(recorded.stream)
        account_id: UUID | None = getattr(row, "account_id", None)
        if account_id is None:
            self._settle(recorded, None, [])
        else:
            where = getattr(row, "domain_id", None), getattr(row, "zone_id", None)
            metered = METERED[happened.KIND](row, self._cloud)
            self._settle(recorded, owner_of(account_id, *where), metered)

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
        if at_ms != self._at_ms:  # one object for all spans that begin at the same time
            self._at_ms = at_ms
        if owner is not None:
            goes_on += [Going(owner, *each, self._at_ms) for each in wanted]
        self._going.put(thing_id, goes_on)

    def encode(self) -> bytes:
        return encode(self._going, self._ended)

    def restore(self, encoded: bytes) -> None:
        restore(encoded, self._going, self._ended)


def _goes_on(one: Going, owner: Owner, wanted: list[Metered]) -> bool:
    """Is this still so? Then it is wanted no more."""
    if not one.owner.has(owner):
        return False
    for at, each in enumerate(wanted):
        if one.is_as(each):
            del wanted[at]
            return True
    return False
