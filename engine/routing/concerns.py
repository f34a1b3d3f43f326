"""Which routers an event may change: asked of every event, so nearly all have to be told at once.

A row that was removed is not there to say what it was a part of. So what a router was last made of
is kept, by the ids of those rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from aggregates.base import Event, Recorded
from aggregates.vm import Vm, VmCreated, VmNicsSet, VmUpdated
from aggregates.vm_life import VmAssigned
from projections.cloud import Cloud
from projections.network import networks
from projections.router import routers
from projections.router_place import router_places
from projections.vm import vms

# Nouns whose rows are a part of what routers do, or name one that is.
ROWS = frozenset(
    {
        "egress_firewall_rule",
        "firewall_rule",
        "health_check_policy",
        "ip_forwarding_rule",
        "load_balancer_rule",
        "network",
        "network_acl_item",
        "port_forwarding_rule",
        "private_gateway",
        "public_ip_address",
        "remote_access_vpn",
        "stickiness_policy",
        "vpc",
        "vpn_gateway",
    }
)
# What rows name: a network, a VPC, or another part.
BY_NETWORK, BY_VPC = "network_id", "vpc_id"
BY_PART = ("load_balancer_rule_id", "network_acl_id", "public_ip_address_id")
# What an operator changes seldom, and may concern any router.
OF_ALL = frozenset({"network_offering", "setting", "traffic_type", "vlan_ip_range", "zone"})
KINDS = ROWS | OF_ALL | {"host", "router", Vm.KIND}
# Of all that happens to guests, what changes their addresses and names. That a card has left its
# network is told by the projection of cards, which knows where it was.
OF_GUESTS = frozenset(one.TOPIC for one in (VmCreated, VmNicsSet, VmUpdated, VmAssigned))


class Concerns:
    """Asked with each event behind the fold that has it in."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        # By the kind of each class of events; empty for those that concern no router.
        self._kinds: dict[type[Event], str] = {}
        self._parts: dict[UUID, frozenset[UUID]] = {}
        self._in: dict[UUID, set[UUID]] = {}

    def note(self, router_id: UUID, parts: frozenset[UUID]) -> None:
        """What a router is made of now."""
        for part in self._parts.pop(router_id, frozenset()) - parts:
            self._forget(part, router_id)
        for part in parts:
            self._in.setdefault(part, set()).add(router_id)
        self._parts[router_id] = parts

    def _forget(self, part: UUID, router_id: UUID) -> None:
        holders = self._in.get(part)
        if holders is not None:
            holders.discard(router_id)
            if not holders:
                del self._in[part]

    def of(self, recorded: Recorded) -> Iterable[UUID]:
        """The routers whose picture this event may change; of guests, whose leases."""
        kind = self._kinds.get(type(recorded.event))
        if kind is None:
            kind = self._kinds[type(recorded.event)] = _kind(recorded.event)
        return self._found(kind, recorded) if kind else ()

    def _found(self, kind: str, recorded: Recorded) -> Iterable[UUID]:
        stream, event = recorded.stream, recorded.event
        if kind == "router":
            if event.REMOVES:
                self.note(stream, frozenset())
            return (stream,)
        if kind in ROWS:
            return {*self._in.get(stream, ()), *self._named(kind, stream)}
        if kind == "host":
            return self._on(stream)
        if kind in OF_ALL:
            return [one.id for one in self._cloud[routers]]
        return self._of_guest(stream)

    def _named(self, kind: str, row_id: UUID) -> Iterator[UUID]:
        """Those that serve what the row names, or what it is."""
        row: Any = self._cloud.table(kind).get(row_id)
        if row is None:
            return
        yield from self.serving(row_id if kind == "network" else getattr(row, BY_NETWORK, None))
        yield from self._joining(row_id if kind == "vpc" else getattr(row, BY_VPC, None))
        for attribute in BY_PART:
            if (part := getattr(row, attribute, None)) is not None:
                yield from self._in.get(part, ())

    def _of_guest(self, vm_id: UUID) -> Iterator[UUID]:
        """Those of the networks that a guest is on."""
        vm = self._cloud[vms].get(vm_id)
        for nic in () if vm is None else vm.nics:
            yield from self.serving(nic.network_id)

    def _joining(self, vpc_id: UUID | None) -> list[UUID]:
        if vpc_id is None:
            return []
        return [one.id for one in self._cloud[routers].by("vpc_id", vpc_id)]

    def serving(self, network_id: UUID | None) -> list[UUID]:
        """The routers of a network: its own, or those of its VPC."""
        network = self._cloud[networks].get(network_id)
        if network is None:
            return []
        if network.vpc_id is not None:
            return self._joining(network.vpc_id)
        return [one.id for one in self._cloud[routers].by("network_id", network_id)]

    def _on(self, host_id: UUID) -> Iterator[UUID]:
        """Those on a host, and those that have none and may find one now."""
        for place in self._cloud[router_places].by("host_id", host_id):
            yield place.router_id
        for router in self._cloud[routers].by("host_id", None):
            yield router.id


def _kind(event: Event) -> str:
    kind = event.TOPIC.partition(".")[0]
    if kind == Vm.KIND and event.TOPIC not in OF_GUESTS:
        return ""
    return kind if kind in KINDS else ""
