"""VPNs: what an address can serve, how two ends may agree, and what must not overlap."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, ip_address, summarize_address_range
from uuid import UUID, uuid5

from aggregates.errors import InUse, Invalid, NotAllowed
from aggregates.network import Network
from aggregates.public_ip_address import PublicIpAddress
from aggregates.vpn import RemoteAccessVpn, VpnCustomerGateway
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.ip4 import ip4
from engine.decisions.record import Proposed, claim, farewell, rule
from engine.decisions.traffic import ip4_network
from engine.intents.record import CreateRecord
from engine.intents.vpn import OpenRemoteAccess
from engine.ip_rules import remove_rule, rules_on
from engine.public_addresses import ALLOCATED
from projections.network import networks
from projections.public_ip_address import public_ip_addresses
from projections.setting import number_of
from projections.vpc import vpcs
from projections.vpn import vpn_connections, vpn_customer_gateways, vpn_users

# What L2TP over IPsec needs: IKE, its way through NAT, and L2TP.
PORTS = (500, 4500, 1701)
CIPHERS = "3des|aes128|aes192|aes256"
HASHES = "md5|sha1|sha256|sha384|sha512"
GROUPS = "modp1024|modp1536|modp2048|modp3072|modp4096|modp6144|modp8192"
LIFETIME_MAX_S = 86_400
HOST_NAME = r"(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
PRIVATE = tuple(IPv4Network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


@decision
def open_access(ask: OpenRemoteAccess, desk: Desk) -> None:
    address = desk.row(public_ip_addresses, ask.fields["public_ip_address_id"])
    _dialable(address, desk)
    fields = ask.fields | {"network_id": address.network_id, "vpc_id": address.vpc_id}
    claim("rules_on_address", {"address": address.id}, ask.id, desk)
    for row in rules_on(desk.cloud, address.id):
        if row.KIND != "firewall_rule" and row.protocol == "udp":
            _no_port_taken(row)
    record.create(CreateRecord(kind="remote_access_vpn", id=ask.id, fields=fields), desk)
    if ask.opens and address.network_id is not None:
        _open_firewall(ask.id, address, desk)


def _dialable(address: PublicIpAddress, desk: Desk) -> None:
    """An address at which a router with the service Vpn listens."""
    if address.state != ALLOCATED or not address.is_source_nat:
        raise NotAllowed(
            f"address {address.address} is no source NAT address: people dial in at the one of "
            "their network or VPC"
        )
    of = _served(address, desk)
    if "Vpn" not in of:
        raise NotAllowed(
            f"what address {address.address} serves has no service Vpn: choose another"
        )


def _served(address: PublicIpAddress, desk: Desk) -> dict[str, list[str]]:
    """The services of the network or VPC of an address."""
    if address.vpc_id is not None:
        return desk.row(vpcs, address.vpc_id).services
    if address.network_id is not None:
        return desk.row(networks, address.network_id).services
    return {}


def _no_port_taken(row: object) -> None:
    first, last = getattr(row, "start_port", None) or 1, getattr(row, "end_port", None) or 65_535
    for port in PORTS:
        if first <= port <= last:
            raise InUse(f"UDP port {port} of this address is another rule's: remove that first")


def _open_firewall(vpn_id: UUID, address: PublicIpAddress, desk: Desk) -> None:
    """Let the packets of those who dial in through, with rules that go with the VPN."""
    for port in PORTS:
        fields = {
            "ip_address_id": address.id,
            "network_id": address.network_id,
            "account_id": address.account_id,
            "domain_id": address.domain_id,
            "protocol": "udp",
            "start_port": port,
            "end_port": port,
            "cidrs": ["0.0.0.0/0"],
            "opened_for": vpn_id,
        }
        row_id = uuid5(vpn_id, f"udp/{port}")
        record.create(CreateRecord(kind="firewall_rule", id=row_id, fields=fields), desk)


@farewell("remote_access_vpn")
def close_the_firewall(row: RemoteAccessVpn, desk: Desk) -> None:
    for opened in list(rules_on(desk.cloud, row.public_ip_address_id)):
        if getattr(opened, "opened_for", None) == row.id:
            remove_rule(desk, opened)


@rule("remote_access_vpn")
def range_is_for_clients(one: Proposed, desk: Desk) -> None:
    if not one.changes("ip_range"):
        return
    first, _, last = (part.strip() for part in one["ip_range"].partition("-"))
    low, high = ip4(first, "iprange"), ip4(last or first, "iprange")
    if not low < high:
        raise Invalid(
            f"iprange {one['ip_range']} needs two addresses at least, such as 10.1.2.1-10.1.2.8: "
            "the first is the router's",
            field="iprange",
        )
    for private in PRIVATE:
        if low in private and high in private:
            break
    else:
        raise Invalid(f"iprange {one['ip_range']} is not private: choose another", field="iprange")
    ours = list(summarize_address_range(low, high))
    for name, cidr in _cidrs_behind(one, desk):
        if any(part.overlaps(IPv4Network(cidr)) for part in ours):
            raise Invalid(
                f"iprange {one['ip_range']} overlaps {cidr} of {name}: choose another",
                field="iprange",
            )


def _cidrs_behind(one: Proposed, desk: Desk) -> list[tuple[str, str]]:
    """What those who dial in reach: a network, or the whole VPC."""
    if one["vpc_id"] is not None:
        vpc = desk.row(vpcs, one["vpc_id"])
        return [(f"VPC {vpc.name}", vpc.cidr)]
    network: Network = desk.row(networks, one["network_id"])
    return [(f"network {network.name}", network.cidr)] if network.cidr else []


@rule("vpn_user")
def user_is_one_of_few(one: Proposed, desk: Desk) -> None:
    if one.row is not None:
        return
    claim("vpn_user", {"account_id": one["account_id"]}, one.id, desk)
    most = int(number_of(desk.cloud, "remote.access.vpn.user.limit"))
    if len(list(desk.cloud[vpn_users].by("account_id", one["account_id"]))) >= most:
        raise NotAllowed(f"an account has at most {most} VPN users: remove one first")


@rule("vpn_gateway")
def gateway_has_an_address(one: Proposed, desk: Desk) -> None:
    if one.row is not None:
        return
    vpc = desk.row(vpcs, one["vpc_id"])
    if "Vpn" not in vpc.services:
        raise NotAllowed(f"VPC {vpc.name} has no service Vpn: its offering does not give it")
    mine = [row for row in desk.cloud[public_ip_addresses] if row.vpc_id == vpc.id]
    wanted = one["public_ip_address_id"]
    fits = (row for row in mine if (row.id == wanted if wanted else row.is_source_nat))
    address = next(fits, None)
    if address is None:
        raise NotAllowed(
            f"VPC {vpc.name} has no such public address to end tunnels at: associate one with it"
            if wanted
            else f"VPC {vpc.name} has no source NAT address: the zone has no public addresses"
        )
    one.fields["public_ip_address_id"] = address.id


@rule("vpn_customer_gateway")
def both_ends_can_agree(one: Proposed, desk: Desk) -> None:
    if one.changes("gateway"):
        _reachable(one["gateway"])
    if one.changes("cidrs"):
        one.fields["cidrs"] = _behind(one["cidrs"])
    for name, wire in (("ike_policy", "ikepolicy"), ("esp_policy", "esppolicy")):
        if one.changes(name):
            one.fields[name] = _policy(one[name], wire, needs_group=name == "ike_policy")
    for name, wire in (("ike_lifetime_s", "ikelifetime"), ("esp_lifetime_s", "esplifetime")):
        seconds = one[name]
        if seconds is not None and not 1 <= seconds <= LIFETIME_MAX_S:
            raise Invalid(f"{wire} {seconds} is not from 1 to {LIFETIME_MAX_S} seconds", field=wire)
    if one.row is not None and one.changes("cidrs"):
        for tunnel in desk.cloud[vpn_connections].by("vpn_customer_gateway_id", one.id):
            _apart(one["cidrs"], one["name"], tunnel.id, tunnel.vpn_gateway_id, tunnel.vpc_id, desk)


def _reachable(gateway: str) -> None:
    try:
        ip_address(gateway)
    except ValueError:
        if re.fullmatch(HOST_NAME, gateway) is None:
            raise Invalid(
                f"gateway {gateway!r} is no address and no host name", field="gateway"
            ) from None


def _behind(cidrs: list[str]) -> list[str]:
    """The subnets behind the other end; none twice, and none within another."""
    found = [ip4_network(one, "cidrlist") for one in cidrs]
    if not found:
        raise Invalid("cidrlist is empty: say which subnets lie behind it", field="cidrlist")
    for number, one in enumerate(found):
        for other in found[:number]:
            if one.overlaps(other):
                raise Invalid(f"cidrlist: {one} overlaps {other}: leave one out", field="cidrlist")
    return [str(one) for one in found]


def _policy(text: str, field: str, *, needs_group: bool) -> str:
    """`aes128-sha1;modp1536`: a cipher, a hash, and a group for the exchange of keys."""
    group = f"(;({GROUPS}))" + ("" if needs_group else "?")
    each = rf"({CIPHERS})-({HASHES}){group}"
    parts = [part.strip().lower() for part in text.split(",")]
    if any(re.fullmatch(each, part) is None for part in parts):
        raise Invalid(
            f"{field} {text!r} is none: write such as aes128-sha1;modp1536, several with commas. "
            f"Ciphers: {CIPHERS}; hashes: {HASHES}; groups: {GROUPS}",
            field=field,
        )
    return ",".join(parts)


@rule("vpn_connection")
def ends_are_apart(one: Proposed, desk: Desk) -> None:
    if one.row is not None:
        return
    other: VpnCustomerGateway = desk.row(vpn_customer_gateways, one["vpn_customer_gateway_id"])
    if other.account_id != one["account_id"]:
        raise Invalid(
            f"customer gateway {other.name} is another account's than the VPN gateway: choose one "
            "of the same",
            field="s2scustomergatewayid",
        )
    claim("vpn_connection", {"vpn_gateway_id": one["vpn_gateway_id"]}, one.id, desk)
    _apart(other.cidrs, other.name, one.id, one["vpn_gateway_id"], one["vpc_id"], desk)


def _apart(
    cidrs: list[str], name: str, but: UUID, gateway_id: UUID, vpc_id: UUID, desk: Desk
) -> None:
    """What lies behind the other end is neither in the VPC nor behind another tunnel of it."""
    vpc = desk.row(vpcs, vpc_id)
    taken = [(f"VPC {vpc.name}", vpc.cidr)]
    for tunnel in desk.cloud[vpn_connections].by("vpn_gateway_id", gateway_id):
        if tunnel.id != but:
            peer = desk.row(vpn_customer_gateways, tunnel.vpn_customer_gateway_id)
            taken += [(f"customer gateway {peer.name}", cidr) for cidr in peer.cidrs]
    for cidr in cidrs:
        for whose, theirs in taken:
            if IPv4Network(cidr).overlaps(IPv4Network(theirs)):
                raise Invalid(
                    f"{cidr} behind customer gateway {name} overlaps {theirs} of {whose}",
                    field="s2scustomergatewayid",
                )
