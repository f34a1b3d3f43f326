"""What rules are made of: lines, groups, certificates, policies, tunnels and routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aggregates.vm import VmState
from engine.intents.ip_rule import CreateIpRule, UpdateIpRule
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from engine.intents.router import DestroyRouter, MoveRouter
from engine.intents.security_group import (
    AuthorizeTraffic,
    EnsureDefaultGroup,
    SetSecurityGroups,
)
from engine.intents.ssl_cert import AssignSslCert, DeleteSslCert
from engine.intents.vpc import MoveAclItem
from engine.intents.vpn import ChangeCustomerGateway, RemoveCustomerGateway, RemoveVpnUser
from projections.load_balancer_rule import load_balancer_rules
from projections.network import networks
from projections.network_acl import network_acl_items, network_acls
from projections.port_forwarding_rule import port_forwarding_rules
from projections.private_gateway import private_gateways, static_routes
from projections.public_ip_address import public_ip_addresses
from projections.router import routers
from projections.security_group import security_group_rules, security_groups
from projections.ssl_cert import ssl_certs
from projections.vm import vms
from projections.vpc import vpcs
from projections.vpn import vpn_connections, vpn_customer_gateways, vpn_gateways, vpn_users
from tests.sim.wishes import wish

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

POLICY = "aes128-sha1;modp1536"
GROUPS_MAX = 10


def _make(who: Tenants, kind: str, **fields: Any) -> CreateRecord:
    return CreateRecord(kind=kind, id=who.new_id(), fields=fields)


def _of(row: Any) -> dict[str, Any]:
    return {"account_id": row.account_id, "domain_id": row.domain_id}


# ---- security groups -------------------------------------------------------------------------


@wish(2)
def create_security_group(who: Tenants) -> object | None:
    if len(who.cloud[security_groups]) >= GROUPS_MAX:
        return None
    if who.rarely(0.4):
        return EnsureDefaultGroup(id=who.new_id(), **who.owner())
    return _make(who, "security_group", name=who.name("group"), **who.owner())


@wish(2)
def authorize_traffic(who: Tenants) -> object | None:
    group, peer = who.one(security_groups), who.one(security_groups)
    if group is None or peer is None:
        return None
    fields = {"protocol": "tcp", "start_port": 22, "end_port": 22, "is_egress": who.rarely(0.3)}
    return AuthorizeTraffic(
        security_group_id=group.id, batch=who.new_id(), fields=fields,
        cidrs=who.pick([], ["10.0.0.0/8"]), peer_group_ids=[peer.id],
    )  # fmt: skip


@wish(2)
def set_security_groups(who: Tenants) -> object | None:
    vm = who.vm(VmState.STOPPED)
    group = vm and who.one(security_groups, of=vm)
    return group and SetSecurityGroups(vm_id=vm.id, security_group_ids=[group.id])


@wish(1)
def remove_security_group(who: Tenants) -> object | None:
    group = who.one(security_groups)
    return group and RemoveRecord(kind="security_group", id=group.id)


@wish(1)
def revoke_traffic(who: Tenants) -> object | None:
    rule = who.one(security_group_rules)
    return rule and RemoveRecord(kind="security_group_rule", id=rule.id)


# ---- load balancers --------------------------------------------------------------------------


@wish(2)
def balance_ssl(who: Tenants) -> object | None:
    address = who.one(public_ip_addresses, lambda one: one.network_id is not None)
    fields = address and {
        "name": who.name("ssl"), "ip_address_id": address.id, "network_id": address.network_id,
        "algorithm": "roundrobin", "start_port": 8443, "end_port": 8443, "private_port": 8443,
        "protocol": "ssl", "cidrs": [],
    }  # fmt: skip
    return fields and CreateIpRule(kind="load_balancer_rule", id=who.new_id(), fields=fields)


@wish(2)
def upload_ssl_cert(who: Tenants) -> object | None:
    rule = who.one(load_balancer_rules)
    return _make(
        who, "ssl_cert", name=who.name("cert"), certificate="x", key_ref=str(who.new_id()),
        fingerprint="x", ends_at_ms=0, **(_of(rule) if rule else who.owner()),
    )  # fmt: skip


@wish(3)
def assign_ssl_cert(who: Tenants) -> object | None:
    rule = who.one(load_balancer_rules, lambda one: one.protocol == "ssl")
    cert = rule and who.one(ssl_certs, of=rule)
    return rule and AssignSslCert(
        rule_id=rule.id, cert_id=cert.id if cert and who.rarely(0.8) else None,
        forced=who.rarely(0.5),
    )  # fmt: skip


@wish(1)
def delete_ssl_cert(who: Tenants) -> object | None:
    cert = who.one(ssl_certs)
    return cert and DeleteSslCert(id=cert.id)


@wish(2)
def add_policy(who: Tenants) -> object | None:
    rule = who.one(load_balancer_rules)
    if rule is None:
        return None
    of = {"load_balancer_rule_id": rule.id, **_of(rule)}
    if who.rarely(0.5):
        return _make(who, "health_check_policy", **of)
    return _make(who, "stickiness_policy", name="sticky", method="LbCookie", **of)


@wish(1)
def remove_policy(who: Tenants) -> object | None:
    kind = who.pick("health_check_policy", "stickiness_policy")
    rows = list(who.cloud.table(kind))
    return RemoveRecord(kind=kind, id=who.pick(*rows).id) if rows else None


@wish(2)
def update_forwarding(who: Tenants) -> object | None:
    """To another guest."""
    rule = who.one(port_forwarding_rules)
    vm = rule and who.one(vms, lambda one: any(n.network_id == rule.network_id for n in one.nics))
    fields = vm and {"vm_id": vm.id}
    return fields and UpdateIpRule(kind="port_forwarding_rule", id=rule.id, fields=fields)


# ---- networks --------------------------------------------------------------------------------


@wish(1)
def let_out(who: Tenants) -> object | None:
    network = who.one(networks)
    fields = network and {
        "network_id": network.id, "protocol": "tcp", "start_port": 1,
        "end_port": who.pick(80, 443), "cidrs": [], "dest_cidrs": [],
    }  # fmt: skip
    return fields and CreateIpRule(kind="egress_firewall_rule", id=who.new_id(), fields=fields)


@wish(1)
def move_router(who: Tenants) -> object | None:
    """Stopped, started, or ended."""
    router = who.one(routers)
    if router is None or who.rarely(0.2):
        return router and DestroyRouter(id=router.id)
    state, allowed = who.pick(("Stopped", ("Running",)), ("Running", ("Stopped",)))
    return MoveRouter(id=router.id, state=state, allowed=allowed, at_ms=who.now_ms())


# ---- VPCs ------------------------------------------------------------------------------------


@wish(2)
def create_network_acl(who: Tenants) -> object | None:
    vpc = who.one(vpcs)
    return vpc and _make(who, "network_acl", name=who.name("list"), vpc_id=vpc.id, **_of(vpc))


@wish(3)
def add_acl_item(who: Tenants) -> object | None:
    acl = who.one(network_acls, lambda one: one.vpc_id is not None)
    return acl and _make(
        who, "network_acl_item", network_acl_id=acl.id, number=who.pick(None, None, 1, 2),
        protocol="tcp", cidrs=[], start_port=1, end_port=9, **_of(acl),
    )  # fmt: skip


@wish(1)
def move_acl_item(who: Tenants) -> object | None:
    item = who.one(network_acl_items, lambda one: one.account_id is not None)
    other = item and who.one(
        network_acl_items,
        lambda one: one.network_acl_id == item.network_acl_id and one.id != item.id,
    )
    return item and other and MoveAclItem(id=item.id, behind=other.id)


@wish(1)
def remove_acl_item(who: Tenants) -> object | None:
    item = who.one(network_acl_items, lambda one: one.account_id is not None)
    return item and RemoveRecord(kind="network_acl_item", id=item.id)


@wish(2)
def add_static_route(who: Tenants) -> object | None:
    gateway = who.one(private_gateways)
    return gateway and _make(
        who, "static_route", vpc_id=gateway.vpc_id, cidr=f"172.16.{who.pick(*range(4))}.0/24",
        next_hop=gateway.gateway, private_gateway_id=gateway.id, **_of(gateway),
    )  # fmt: skip


@wish(1)
def remove_static_route(who: Tenants) -> object | None:
    route = who.one(static_routes)
    return route and RemoveRecord(kind="static_route", id=route.id)


@wish(2)
def create_customer_gateway(who: Tenants) -> object | None:
    own = who.one(vpn_gateways)
    return _make(
        who, "vpn_customer_gateway", name=who.name("site"), gateway="203.0.113.200",
        cidrs=[f"172.17.{who.pick(*range(4))}.0/24"], psk_ref=str(who.new_id()),
        ike_policy=POLICY, esp_policy=POLICY, **(_of(own) if own else who.owner()),
    )  # fmt: skip


@wish(1)
def change_customer_gateway(who: Tenants) -> object | None:
    row = who.one(vpn_customer_gateways)
    fields = who.pick(
        {"cidrs": [f"172.17.{who.pick(*range(4))}.0/24"]}, {"psk_ref": str(who.new_id())}
    )
    return row and ChangeCustomerGateway(id=row.id, fields=fields)


@wish(1)
def remove_customer_gateway(who: Tenants) -> object | None:
    row = who.one(vpn_customer_gateways)
    return row and RemoveCustomerGateway(id=row.id)


@wish(3)
def connect_vpn(who: Tenants) -> object | None:
    own = who.one(vpn_gateways)
    other = own and who.one(vpn_customer_gateways, of=own)
    return own and other and _make(
        who, "vpn_connection", vpc_id=own.vpc_id, vpn_gateway_id=own.id,
        vpn_customer_gateway_id=other.id, **_of(own),
    )  # fmt: skip


@wish(1)
def disconnect_vpn(who: Tenants) -> object | None:
    row = who.one(vpn_connections)
    return row and RemoveRecord(kind="vpn_connection", id=row.id)


@wish(1)
def add_vpn_user(who: Tenants) -> object | None:
    name, ref = who.pick("ann", "bob"), str(who.new_id())
    return _make(who, "vpn_user", username=name, password_ref=ref, **who.owner())


@wish(1)
def remove_vpn_user(who: Tenants) -> object | None:
    row = who.one(vpn_users)
    return row and RemoveVpnUser(id=row.id)


@wish(1)
def rename_vpc(who: Tenants) -> object | None:
    vpc = who.one(vpcs)
    return vpc and UpdateRecord(kind="vpc", id=vpc.id, fields={"name": who.name("vpc")})
