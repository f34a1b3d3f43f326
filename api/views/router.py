"""Routers and system virtual machines as the wire shows them.

What only a guest behind them could tell (versions of software, say) is left out.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Any
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, Date, Roles, View, date, view
from api.views.owner import OwnedView, owner
from projections.host import hosts
from projections.network import networks
from projections.pod import pods
from projections.public_ip_address import public_ip_addresses
from projections.router import Router
from projections.service_offering import service_offerings
from projections.system_vm import SystemVm
from projections.vlan_ip_range import vlan_ip_ranges
from projections.vpc import vpcs
from projections.zone import zones

noun("router", "owned")
noun("system_vm", "admin")
noun("router_place", "admin")
DATA_PATH = "data path"


@view
class HealthCheckResultView(View, kw_only=True):
    """What one check of a router found."""

    check_name: Annotated[str, "the check"]
    check_type: Annotated[str, "basic or advanced"]
    success: Annotated[bool, "whether it passed"]
    status: Annotated[str, "SUCCESS or FAILED"]
    last_updated: Annotated[Date, "since when that holds"]
    details: Annotated[str, "what is wrong"]


def checks(row: Router) -> list[HealthCheckResultView]:
    """Whether a router does all that is asked of it, by what its host said last.

    Hosts are asked each minute. One that is only a record has no check, and one whose host has not
    been told yet neither.
    """
    if not row.known_at_ms:
        return []
    return [
        HealthCheckResultView(
            check_name=DATA_PATH,
            check_type="basic",
            success=not row.trouble,
            status="FAILED" if row.trouble else "SUCCESS",
            last_updated=date(row.known_at_ms),
            details=row.trouble,
        )
    ]


@view
class RouterView(OwnedView, kw_only=True):
    """What serves a guest network or a VPC."""

    id: Annotated[UUID, "the router"]
    name: Annotated[str, "its name"]
    state: Annotated[str, "Running or Stopped"]
    role: Annotated[str, "VIRTUAL_ROUTER or INTERNAL_LB_VM"]
    zone_id: Annotated[UUID, "its zone"]
    zone_name: Annotated[str | None, "the name of that zone"] = None
    dns1: Annotated[str | None, "the first resolver of its guests"] = None
    dns2: Annotated[str | None, "the second resolver of its guests"] = None
    network_domain: Annotated[str | None, "the DNS domain of its guests"] = None
    gateway: Annotated[str | None, "the gateway of its public address"] = None
    public_ip: Annotated[str | None, "where its guests go out"] = None
    public_netmask: Annotated[str | None, "the mask of that address"] = None
    guest_ip_address: Annotated[str | None, "where its guests find it"] = None
    guest_netmask: Annotated[str | None, "the mask of their subnet"] = None
    guest_network_id: Annotated[UUID | None, "their network"] = None
    guest_network_name: Annotated[str | None, "the name of that network"] = None
    vpc_id: Annotated[UUID | None, "the VPC that it serves"] = None
    vpc_name: Annotated[str | None, "the name of that VPC"] = None
    service_offering_id: Annotated[UUID | None, "its size"] = None
    service_offering_name: Annotated[str | None, "the name of that size"] = None
    is_redundant_router: Annotated[bool, "whether it is one of two"]
    redundant_state: Annotated[str, "which of the two it is; UNKNOWN for one alone"]
    requires_upgrade: Annotated[bool, "whether it is made of an old template"]
    host_id: Annotated[UUID | None, "where it runs", Roles("Admin")] = None
    host_name: Annotated[str | None, "the name of that host", Roles("Admin")] = None
    pod_id: Annotated[UUID | None, "the pod of that host", Roles("Admin")] = None
    pod_name: Annotated[str | None, "the name of that pod", Roles("Admin")] = None
    hypervisor: Annotated[str | None, "what runs guests on that host"] = None
    health_checks_failed: Annotated[bool, "whether it is not all that its network's rules ask for"]
    health_check_results: Annotated[
        list[HealthCheckResultView] | None,
        "what its checks found, if that was asked for",
        Roles("Admin"),
    ] = None
    created: Annotated[Date, "when it was made"]
    nic: Annotated[list[dict[str, str]], "its network cards: none, as it is no guest"]
    has_annotations: Annotated[bool, "whether there are comments on it"]

    @classmethod
    def of(cls, row: Router, cloud: Cloud, *, checked: bool = False) -> RouterView:
        zone, vpc = cloud[zones].get(row.zone_id), cloud[vpcs].get(row.vpc_id)
        size = cloud[service_offerings].get(row.service_offering_id)
        redundant = vpc is not None and vpc.is_redundant
        return cls(
            id=row.id,
            name=row.name,
            state=row.state,
            role=row.role,
            zone_id=row.zone_id,
            zone_name=None if zone is None else zone.name,
            vpc_id=row.vpc_id,
            vpc_name=None if vpc is None else vpc.name,
            service_offering_id=row.service_offering_id,
            service_offering_name=None if size is None else size.name,
            is_redundant_router=redundant,
            redundant_state="UNKNOWN",
            requires_upgrade=False,
            created=date(row.created_at_ms),
            nic=[],
            has_annotations=False,
            health_checks_failed=bool(row.trouble),
            health_check_results=checks(row) if checked else None,
            **_place(row, cloud),
            **_guest_side(row, cloud),
            **_public_side(row, cloud),
            **owner(row, cloud),
        )


def _place(row: Router, cloud: Cloud) -> dict[str, Any]:
    """The host that it runs on, if it runs on one."""
    host = cloud[hosts].get(row.host_id)
    if host is None:
        return {}
    return {
        "host_id": host.id,
        "host_name": host.name,
        "pod_id": host.pod_id,
        "pod_name": cloud[pods][host.pod_id].name,
        "hypervisor": host.hypervisor,
    }


def _guest_side(row: Router, cloud: Cloud) -> dict[str, Any]:
    """Where guests find it, as far as it serves one network."""
    network = cloud[networks].get(row.network_id)
    if network is None:
        return {}
    return {
        "dns1": network.dns1 or None,
        "dns2": network.dns2 or None,
        "network_domain": network.network_domain or None,
        "guest_ip_address": row.guest_ip or None,
        "guest_netmask": str(IPv4Network(network.cidr).netmask) if network.cidr else None,
        "guest_network_id": network.id,
        "guest_network_name": network.name,
    }


def _public_side(row: Router, cloud: Cloud) -> dict[str, Any]:
    """Where its guests go out."""
    if not row.public_ip:
        return {}
    rows = cloud[public_ip_addresses].by("address", row.public_ip)
    address = next((one for one in rows if one.zone_id == row.zone_id), None)
    of = None if address is None else cloud[vlan_ip_ranges].get(address.range_id)
    if of is None:
        return {"public_ip": row.public_ip}
    return {"public_ip": row.public_ip, "public_netmask": of.netmask, "gateway": of.gateway}


@view
class RouterHealthView(View, kw_only=True):
    """What the checks of a router found."""

    router_id: Annotated[UUID, "the router"]
    health_checks: Annotated[list[HealthCheckResultView], "one a check that was made"]


@view
class SystemVmView(View, kw_only=True):
    """A system virtual machine of a zone."""

    id: Annotated[UUID, "the machine"]
    name: Annotated[str, "its name"]
    system_vm_type: Annotated[str, "secondarystoragevm or consoleproxy"]
    state: Annotated[str, "Running or Stopped"]
    zone_id: Annotated[UUID, "its zone"]
    zone_name: Annotated[str | None, "the name of that zone"] = None
    dns1: Annotated[str | None, "its first resolver"] = None
    dns2: Annotated[str | None, "its second resolver"] = None
    network_domain: Annotated[str | None, "its DNS domain"] = None
    host_id: Annotated[UUID | None, "where an operator placed it"] = None
    host_name: Annotated[str | None, "the name of that host"] = None
    pod_id: Annotated[UUID | None, "the pod of that host"] = None
    hypervisor: Annotated[str | None, "what runs guests on that host"] = None
    service_offering_id: Annotated[UUID | None, "its size"] = None
    service_offering_name: Annotated[str | None, "the name of that size"] = None
    is_dynamically_scalable: Annotated[bool, "whether its size can change while it runs"]
    created: Annotated[Date, "when it was made"]
    has_annotations: Annotated[bool, "whether there are comments on it"]

    @classmethod
    def of(cls, row: SystemVm, cloud: Cloud) -> SystemVmView:
        zone, host = cloud[zones].get(row.zone_id), cloud[hosts].get(row.host_id)
        size = cloud[service_offerings].get(row.service_offering_id)
        return cls(
            id=row.id,
            name=row.name,
            system_vm_type=row.kind,
            state=row.state,
            zone_id=row.zone_id,
            zone_name=None if zone is None else zone.name,
            dns1=None if zone is None else zone.internal_dns1 or None,
            dns2=None if zone is None else zone.internal_dns2 or None,
            network_domain=None if zone is None else zone.domain or None,
            host_id=row.host_id,
            host_name=None if host is None else host.name,
            pod_id=None if host is None else host.pod_id,
            hypervisor=None if host is None else host.hypervisor,
            service_offering_id=row.service_offering_id,
            service_offering_name=None if size is None else size.name,
            is_dynamically_scalable=False,
            created=date(row.created_at_ms),
            has_annotations=False,
        )
