"""Load balancers inside a network: an address, its ports, and what balances them."""

from __future__ import annotations

from ipaddress import IPv4Address
from uuid import UUID

from aggregates.errors import Invalid, NotAllowed, RuleConflict
from aggregates.network import Network
from aggregates.record import RECORDS
from aggregates.router import Router
from engine.addresses import take_ip
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.record import claim
from engine.intents.load_balancer import CreateLoadBalancer, RemoveLoadBalancer
from engine.intents.record import CreateRecord
from engine.routers import create_router, end_router
from projections.load_balancer import load_balancers
from projections.network import networks
from projections.router import routers

PROVIDER, ROLE = "InternalLbVm", "INTERNAL_LB_VM"


@decision
def create(ask: CreateLoadBalancer, desk: Desk) -> None:
    network = desk.row(networks, ask.network_id)
    if PROVIDER not in network.services.get("Lb", ()):
        raise NotAllowed(
            f"network {network.name} has no load balancing by {PROVIDER}: choose a tier whose "
            "offering has it"
        )
    if ask.source_network_id != network.id:
        raise Invalid(
            "sourceipaddressnetworkid is another network: an internal load balancer has its "
            "address on the network of its guests",
            field="sourceipaddressnetworkid",
        )
    router = _standing(desk, network, ask.source_ip)
    router_id, ip = (
        (router.id, router.guest_ip) if router is not None else _begin(desk, network, ask)
    )
    for other in desk.cloud[load_balancers].by("router_id", router_id):
        if other.source_port == ask.source_port:
            raise RuleConflict(
                f"The port specified, {ask.source_port}, conflicts with rule {other.id}: "
                f"{other.name} has it at {ip}"
            )
    fields = {
        "name": ask.name,
        "description": ask.description,
        "account_id": network.account_id,
        "domain_id": network.domain_id,
        "network_id": network.id,
        "source_network_id": network.id,
        "router_id": router_id,
        "source_ip": ip,
        "source_port": ask.source_port,
        "instance_port": ask.instance_port,
        "algorithm": ask.algorithm,
        "is_displayed": ask.is_displayed,
    }
    record.create(CreateRecord(kind="load_balancer", id=ask.id, fields=fields), desk)
    claim("ports_of_balancer", {"router": router_id}, ask.id, desk)


def _standing(desk: Desk, network: Network, wanted: str) -> Router | None:
    """What balances at this address already."""
    if not wanted:
        return None
    rows = desk.cloud[routers].by("network_id", network.id)
    return next((one for one in rows if one.role == ROLE and one.guest_ip == wanted), None)


def _begin(desk: Desk, network: Network, ask: CreateLoadBalancer) -> tuple[UUID, str]:
    if ask.source_ip and ask.source_ip != str(IPv4Address(ask.source_ip)):
        raise Invalid(f"sourceipaddress {ask.source_ip} is no address", field="sourceipaddress")
    ip = take_ip(desk, ask.router_id, ask.router_id, network, ask.source_ip)
    create_router(
        desk,
        ask.router_id,
        network,
        network_id=network.id,
        vpc_id=network.vpc_id,
        guest_ip=ip,
        role=ROLE,
    )
    return ask.router_id, ip


@decision
def remove(ask: RemoveLoadBalancer, desk: Desk) -> None:
    row = desk.row(load_balancers, ask.id)
    desk.change(row, RECORDS["load_balancer"].removed())
    others = desk.cloud[load_balancers].by("router_id", row.router_id)
    if all(one.id == row.id for one in others):
        router = desk.row(routers, row.router_id)
        end_router(desk, router)
    else:
        claim("ports_of_balancer", {"router": row.router_id}, row.id, desk)
