"""What a network's router is to do, all of it but for leases, as the log has it at this moment.

Rows in, a `RouterSpec` out, and beside it what of the rows no router here can do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any
from uuid import UUID

from aggregates.network import Network, NetworkState
from aggregates.public_ip_address import PublicIpAddress
from aggregates.router import Router
from drivers.contract.routing import (
    EVERYWHERE,
    Balance,
    Forward,
    GuestNet,
    Line,
    RouterSpec,
    Segment,
    StaticNat,
    Traffic,
    Uplink,
)
from engine.network_services import offering_of
from engine.public_addresses import ALLOCATED
from engine.routing.balancers import drawn
from engine.traffic_labels import label_of
from projections.cloud import Cloud
from projections.egress_firewall_rule import egress_firewall_rules
from projections.firewall_rule import firewall_rules
from projections.ip_forwarding_rule import ip_forwarding_rules
from projections.load_balancer_rule import load_balancer_rules
from projections.network import networks
from projections.network_acl import items_of
from projections.port_forwarding_rule import port_forwarding_rules
from projections.public_ip_address import public_ip_addresses
from projections.vlan_ip_range import VlanIpRange, vlan_ip_ranges
from projections.vpc import vpcs
from projections.vpn import remote_access_vpns
from projections.zone import zones

PROVIDERS = frozenset({"VirtualRouter", "VpcVirtualRouter"})
SHARED = "Shared"


@dataclass(frozen=True, slots=True)
class Picture:
    """`lacks` are sentences for people. `parts` are the rows that it was made of, by their ids."""

    spec: RouterSpec
    lacks: tuple[str, ...]
    parts: frozenset[UUID]


def served_by(router: Router, cloud: Cloud) -> list[Network]:
    """Its network, or the tiers of its VPC that guests have come to."""
    if router.vpc_id is None:
        network = cloud[networks].get(router.network_id)
        return [] if network is None else [network]
    tiers = cloud[networks].by("vpc_id", router.vpc_id)
    return sorted((t for t in tiers if t.state is NetworkState.IMPLEMENTED), key=_by_id)


def picture(cloud: Cloud, router: Router, hypervisor: str) -> Picture:
    """The router as hosts of this kind are to run it. Without a network it has nothing to do."""
    return _Draft(cloud, router, hypervisor).finished()


class _Draft:
    """The picture of one router, under way."""

    def __init__(self, cloud: Cloud, router: Router, hypervisor: str) -> None:
        self._cloud, self._router, self._hypervisor = cloud, router, hypervisor
        self._networks = served_by(router, cloud)
        self._vpc = cloud[vpcs].get(router.vpc_id)
        self._lacks: list[str] = []
        self._parts: set[UUID] = {one.id for one in self._networks}
        self._addresses = {row.id: row for row in self._own_addresses()}

    def finished(self) -> Picture:
        spec = RouterSpec(
            router_id=self._router.id,
            life=self._router.started_at_ms,
            nets=tuple(self._net(network) for network in self._networks),
            uplink=self._uplink(),
            resolvers=self._resolvers(),
            forwards=tuple(self._forwards()),
            static_nats=tuple(self._static_nats()),
            balances=tuple(self._balances()),
        )
        self._note_others()
        return Picture(spec, tuple(self._lacks), frozenset(self._parts))

    def _rows(self, spec: Any, service: str) -> Iterator[Any]:
        """The rows of a noun, of those of its networks that it provides this service on."""
        for network in self._networks:
            if _provides(network, service):
                yield from self._rows_of(spec, network)

    def _rows_of(self, spec: Any, network: Network) -> Iterator[Any]:
        """Always in one order, so that what is the same has one digest."""
        for row in sorted(self._cloud[spec].by("network_id", network.id), key=_by_id):
            self._parts.add(row.id)
            yield row

    def _label(self, traffic: str, physical_network_id: UUID | None) -> str:
        return label_of(self._cloud, physical_network_id, traffic, self._hypervisor)

    # ---- inside ---------------------------------------------------------------------------

    def _net(self, network: Network) -> GuestNet:
        label = self._label("Guest", network.physical_network_id)
        lines = self._lines(network)
        return GuestNet(
            network_id=network.id,
            segment=Segment(bridge=label, vlan=network.vlan),
            gateway=network.gateway,
            cidr=network.cidr,
            serves_dhcp=_provides(network, "Dhcp"),
            serves_dns=_provides(network, "Dns"),
            domain=network.network_domain or (self._vpc.network_domain if self._vpc else ""),
            **lines,
        )

    def _lines(self, network: Network) -> dict[str, Any]:
        """What passes: nothing of a shared network, which has another gateway."""
        if network.guest_ip_type == SHARED:
            self._note_other_ranges(network)
            return {"address": self._router.guest_ip}
        return self._tier(network) if self._vpc is not None else self._walled(network)

    def _note_other_ranges(self, network: Network) -> None:
        cidr = IPv4Network(network.cidr)
        for row in self._rows_of(vlan_ip_ranges, network):
            if IPv4Address(row.start_ip) not in cidr:
                self._lacks.append(
                    f"guests at {row.start_ip}-{row.end_ip} are told no address: a router tells "
                    f"those of its network's own subnet, {cidr}"
                )

    def _resolvers(self) -> tuple[str, ...]:
        """Those of its VPC, else of its network, else of the zone."""
        zone = self._cloud[zones].get(self._router.zone_id)
        for one in (self._vpc, *self._networks, zone):
            if one is not None and (found := [dns for dns in (one.dns1, one.dns2) if dns]):
                return tuple(found)
        return ()

    def _walled(self, network: Network) -> dict[str, Any]:
        """What passes of a network of its own: its firewall on public addresses, and egress rules.

        Where its offering lets everything out a rule forbids, else it allows.
        """
        walled = _provides(network, "Firewall")
        offering = offering_of(network, self._cloud)
        goes_open = not walled or (offering is not None and offering.egress_default_allow)
        goes = [
            Line(traffic=_traffic(row, row.cidrs, row.dest_cidrs), allow=not goes_open)
            for row in self._rows_of(egress_firewall_rules, network)
        ]
        return {
            "comes": tuple(self._admissions(network)),
            "comes_open": not walled,
            "goes": tuple(goes),
            "goes_open": goes_open,
        }

    def _admissions(self, network: Network) -> Iterator[Line]:
        for row in self._rows_of(firewall_rules, network):
            if (address := self._addresses.get(row.ip_address_id)) is not None:
                yield Line(traffic=_traffic(row, row.cidrs), address=address.address)
        for row in self._rows_of(ip_forwarding_rules, network):
            if (address := self._addresses.get(row.ip_address_id)) is not None:
                ports = Traffic(
                    protocol=row.protocol, first_port=row.start_port, last_port=row.end_port
                )
                yield Line(traffic=ports, address=address.address)

    def _tier(self, network: Network) -> dict[str, Any]:
        """What passes of a tier: the lines of its access list. Where none fits nothing comes in,
        and everything goes out as long as no line is about what goes out."""
        comes, goes = [], list[Line]()
        acl_id = network.network_acl_id
        if acl_id is not None:
            self._parts.add(acl_id)
            for row in items_of(self._cloud, acl_id):
                self._parts.add(row.id)
                allow = row.action == "Allow"
                if row.traffic_type == "Ingress":
                    comes.append(Line(traffic=_traffic(row, row.cidrs), allow=allow))
                else:
                    goes.append(Line(traffic=_traffic(row, [], row.cidrs), allow=allow))
        return {
            "comes": tuple(comes),
            "comes_open": False,
            "goes": tuple(goes),
            "goes_open": not goes,
        }

    # ---- outside --------------------------------------------------------------------------

    def _own_addresses(self) -> Iterator[PublicIpAddress]:
        """The public addresses that it has: those of its VPC, or of its network."""
        if self._router.vpc_id is not None:
            found = self._cloud[public_ip_addresses].by("vpc_id", self._router.vpc_id)
            for row in sorted(found, key=_by_id):
                self._parts.add(row.id)
                if row.state == ALLOCATED:
                    yield row
            return
        for network in self._networks:
            for row in self._rows_of(public_ip_addresses, network):
                if row.state == ALLOCATED:
                    yield row

    def _uplink(self) -> Uplink | None:
        """The way out lies where the source NAT address does; other addresses have to lie there."""
        by_use = sorted(
            self._addresses.values(), key=lambda row: (not row.is_source_nat, row.address)
        )
        ranges = self._cloud[vlan_ip_ranges]
        found = [(row, of) for row in by_use if (of := ranges.get(row.range_id)) is not None]
        if not found:
            return None
        _, first = found[0]
        addresses = []
        for row, of in found:
            if _wire(of) != _wire(first):
                self._lacks.append(
                    f"address {row.address} is on VLAN {of.vlan}, and a router has one way out, "
                    f"on VLAN {first.vlan}: use addresses of one VLAN"
                )
                continue
            addresses.append(f"{row.address}/{IPv4Network(f'0.0.0.0/{of.netmask}').prefixlen}")
        segment = Segment(
            bridge=self._label("Public", first.physical_network_id), vlan=vlan_of(first.vlan)
        )
        goes_out = any(_provides(one, "SourceNat") for one in self._networks)
        nat = next((row.address for row, _ in found if goes_out and row.is_source_nat), "")
        return Uplink(
            segment=segment, addresses=tuple(addresses), gateway=first.gateway, source_nat=nat
        )

    def _forwards(self) -> Iterator[Forward]:
        for row in self._rows(port_forwarding_rules, "PortForwarding"):
            if (address := self._addresses.get(row.ip_address_id)) is not None:
                yield Forward(
                    address=address.address,
                    protocol=row.protocol,
                    first_port=row.start_port,
                    last_port=row.end_port,
                    to_ip4=row.vm_ip,
                    to_first_port=row.private_start_port,
                    to_last_port=row.private_end_port,
                    sources=tuple(row.cidrs) or (EVERYWHERE,),
                )

    def _static_nats(self) -> Iterator[StaticNat]:
        inside = {one.id for one in self._networks if _provides(one, "StaticNat")}
        for row in self._addresses.values():
            if row.vm_network_id in inside and row.vm_ip:
                yield StaticNat(address=row.address, to_ip4=row.vm_ip)

    def _balances(self) -> Iterator[Balance]:
        for row in self._rows(load_balancer_rules, "Lb"):
            address = self._addresses.get(row.ip_address_id)
            if address is None or not row.members:
                continue
            found = drawn(row, address.address, self._cloud)
            self._lacks += found.lacks
            self._parts |= found.parts
            if found.balance is not None:
                yield found.balance

    def _note_others(self) -> None:
        """What its owner has asked for that no router here does."""
        for row in self._addresses.values():
            if self._cloud[remote_access_vpns].by("public_ip_address_id", row.id):
                self._lacks.append(f"nobody can dial in at {row.address}: a router here has no VPN")
        if self._vpc is None:
            return
        for kind in ("private_gateway", "vpn_gateway"):
            for row in self._cloud.table(kind).by("vpc_id", self._vpc.id):
                self._parts.add(row.id)
                self._lacks.append(f"no packet goes through {kind.replace('_', ' ')} {row.id} yet")


def _provides(network: Network, service: str) -> bool:
    return any(one in PROVIDERS for one in network.services.get(service, ()))


def _by_id(row: Any) -> UUID:
    found: UUID = row.id
    return found


def _traffic(row: Any, sources: list[str], targets: list[str] | None = None) -> Traffic:
    """Which packets a firewall rule is about. -1 is how the wire says any type or code."""
    return Traffic(
        protocol=row.protocol,
        first_port=row.start_port,
        last_port=row.end_port,
        icmp_type=None if row.icmp_type == -1 else row.icmp_type,
        icmp_code=None if row.icmp_code == -1 else row.icmp_code,
        sources=tuple(sources) or (EVERYWHERE,),
        targets=tuple(targets or ()) or (EVERYWHERE,),
    )


def vlan_of(text: str) -> int | None:
    """The number in `50` or `vlan://50`; None for `untagged`."""
    number = text.rpartition("/")[2]
    return int(number) if number.isdecimal() else None


def _wire(of: VlanIpRange) -> tuple[UUID | None, int | None]:
    return of.physical_network_id, vlan_of(of.vlan)
