"""What may be asked of a guest network."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct, field

from engine.intents.ending import NETWORKS, ending


class CreateNetwork(Struct, frozen=True, kw_only=True):
    """Without a gateway the network gets the zone's guest range; an L2 network has no addresses.

    Without a VLAN an isolated network takes the lowest free one of its physical network. A tier of
    a VPC that names no access list is closed by the built-in one. `is_first`: only if the account
    has no isolated network in the zone. The answer is the network that was made, or that it has.
    """

    network_id: UUID
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    offering_id: UUID
    name: str
    display_text: str
    physical_network_id: UUID | None = None
    gateway: str = ""
    netmask: str = ""
    start_ip: str = ""
    end_ip: str = ""
    vlan: int | None = None
    acl_type: str = "Account"
    network_domain: str = ""
    dns1: str = ""
    dns2: str = ""
    is_displayed: bool = True
    source_nat_ip: str = ""
    vpc_id: UUID | None = None
    network_acl_id: UUID | None = None
    ip6_gateway: str = ""
    ip6_cidr: str = ""
    subdomain_access: bool = True
    is_first: bool = False


class UpdateNetwork(Struct, frozen=True, kw_only=True):
    network_id: UUID
    name: str | None = None
    display_text: str | None = None
    network_domain: str | None = None
    is_displayed: bool | None = None
    dns1: str | None = None
    dns2: str | None = None
    offering_id: UUID | None = None
    guest_vm_cidr: str | None = None
    source_nat_ip: str = ""


class RemoveNetwork(Struct, frozen=True, kw_only=True):
    """Remove a network that no guest is on, with its rules, addresses and router."""

    network_id: UUID


class RestartNetwork(Struct, frozen=True, kw_only=True):
    """Bring what serves a network in line with its rules; `cleanup` makes its router anew."""

    network_id: UUID
    cleanup: bool = False


class PermitNetwork(Struct, frozen=True, kw_only=True):
    """Let these accounts use a network beside its owner, or let them no more."""

    network_id: UUID
    add: list[UUID] = field(default_factory=list)
    take: list[UUID] = field(default_factory=list)
    take_all: bool = False


ending("network", lambda network: RemoveNetwork(network_id=network.id), turn=NETWORKS)
