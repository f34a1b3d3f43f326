"""A guest network: a subnet that guests' network cards live on, and the services it has."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, Event, aggregate, event
from aggregates.ids import uuid5


class NetworkState(StrEnum):
    """Allocated: it exists and nobody runs on it. Implemented: it has what its guests need."""

    ALLOCATED = "Allocated"
    IMPLEMENTED = "Implemented"


@aggregate("network")
class Network(Aggregate):
    """Guest addresses come from the address space of the network's own id.

    `guest_ip_type` is Isolated, Shared or L2; an L2 network has no addresses. A shared network
    with `acl_type` Domain serves its domain, and with `subdomain_access` those below it;
    `permitted` are accounts that
    may use a network of an account beside its owner. A tier of a VPC is an isolated network with
    `vpc_id`; the list `network_acl_id` says what passes between it and the others.
    `guest_vm_cidr` is the part of the subnet that guests get addresses from, if not all of it.
    """

    name: str
    display_text: str
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    offering_id: UUID
    guest_ip_type: str
    physical_network_id: UUID | None = None
    gateway: str = ""
    netmask: str = ""
    cidr: str = ""
    start_ip: str = ""
    end_ip: str = ""
    vlan: int | None = None
    acl_type: str = "Account"
    network_domain: str = ""
    dns1: str = ""
    dns2: str = ""
    is_displayed: bool = True
    traffic_type: str = "Guest"
    services: dict[str, list[str]] = msgspec.field(default_factory=dict)
    state: NetworkState = NetworkState.ALLOCATED
    details: dict[str, str] = msgspec.field(default_factory=dict)
    vpc_id: UUID | None = None
    network_acl_id: UUID | None = None
    ip6_gateway: str = ""
    ip6_cidr: str = ""
    restart_required: bool = False
    permitted: list[UUID] = msgspec.field(default_factory=list)
    guest_vm_cidr: str = ""
    subdomain_access: bool = True

    @property
    def has_addresses(self) -> bool:
        return self.guest_ip_type != "L2"


@event("network.created", creates=Network)
class NetworkCreated(Event, frozen=True, kw_only=True):
    name: str
    display_text: str
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    offering_id: UUID
    guest_ip_type: str
    physical_network_id: UUID | None
    gateway: str
    netmask: str
    cidr: str
    start_ip: str
    end_ip: str
    vlan: int | None
    acl_type: str
    network_domain: str
    dns1: str
    dns2: str
    is_displayed: bool
    services: dict[str, list[str]]
    vpc_id: UUID | None = None
    network_acl_id: UUID | None = None
    ip6_gateway: str = ""
    ip6_cidr: str = ""
    subdomain_access: bool = True


@event("network.acl_replaced")
class NetworkAclReplaced(Event, frozen=True, kw_only=True):
    """Another list says from now on what passes."""

    network_acl_id: UUID


@event("network.updated")
class NetworkUpdated(Event, frozen=True, kw_only=True):
    name: str
    display_text: str
    network_domain: str
    is_displayed: bool
    dns1: str | None = None
    dns2: str | None = None

    def apply(self, row: Network, at_ms: int) -> None:
        for name in self.__struct_fields__:
            if (value := getattr(self, name)) is not None:
                setattr(row, name, value)


@event("network.implemented")
class NetworkImplemented(Event, frozen=True, kw_only=True):
    def apply(self, row: Network, at_ms: int) -> None:
        row.state = NetworkState.IMPLEMENTED


@event("network.outdated")
class NetworkOutdated(Event, frozen=True, kw_only=True):
    """What serves it is gone or no longer as it should be: it needs a restart."""

    def apply(self, row: Network, at_ms: int) -> None:
        row.restart_required = True


@event("network.restarted")
class NetworkRestarted(Event, frozen=True, kw_only=True):
    """What serves it is as its rules say, made anew if `cleaned`."""

    cleaned: bool

    def apply(self, row: Network, at_ms: int) -> None:
        row.restart_required = False


@event("network.offering_changed")
class NetworkOfferingChanged(Event, frozen=True, kw_only=True):
    offering_id: UUID
    services: dict[str, list[str]]


@event("network.reserved")
class NetworkReserved(Event, frozen=True, kw_only=True):
    """Its guests are given addresses of this part of the subnet only; empty: of all of it."""

    guest_vm_cidr: str


@event("network.permitted")
class NetworkPermitted(Event, frozen=True, kw_only=True):
    """Exactly these accounts may use it beside its owner."""

    permitted: list[UUID]


@event("network.removed", removes=True)
class NetworkRemoved(Event, frozen=True, kw_only=True):
    pass


def space_of(network_id: UUID) -> UUID:
    """The id of the address space that a network's guests are served from."""
    return uuid5(network_id, "guest_ip4")
