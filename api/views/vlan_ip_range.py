"""A range of addresses with its VLAN, as clients see it."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated
from uuid import UUID

from api.declare import View, view
from api.views.owner import wire_path
from projections.cloud import Cloud
from projections.pod import pods
from projections.project import projects
from projections.vlan_ip_range import VlanIpRange


@view
class VlanIpRangeView(View, kw_only=True):
    id: Annotated[UUID, "the range"]
    zone_id: Annotated[UUID, "the zone"]
    vlan: Annotated[str, "its VLAN, or untagged"]
    for_virtual_network: Annotated[bool, "true for public addresses, false for guests' own"]
    for_system_vms: Annotated[bool, "whether only system VMs take from it"]
    gateway: Annotated[str, "gateway of the subnet"]
    netmask: Annotated[str, "its netmask"]
    cidr: Annotated[str, "the subnet"]
    start_ip: Annotated[str, "first address"]
    end_ip: Annotated[str, "last address"]
    ip6_gateway: Annotated[str | None, "IPv6 gateway of the subnet"] = None
    ip6_cidr: Annotated[str | None, "the IPv6 subnet"] = None
    start_ipv6: Annotated[str | None, "first IPv6 address"] = None
    end_ipv6: Annotated[str | None, "last IPv6 address"] = None
    description: Annotated[str, "its VLAN, in words"]
    physical_network_id: Annotated[UUID | None, "the physical network"] = None
    network_id: Annotated[UUID | None, "the shared network that it serves"] = None
    pod_id: Annotated[UUID | None, "the pod that it serves"] = None
    pod_name: Annotated[str | None, "its name"] = None
    account: Annotated[str | None, "the account that it is kept for"] = None
    project_id: Annotated[UUID | None, "the project that it is kept for"] = None
    project: Annotated[str | None, "its name"] = None
    domain_id: Annotated[UUID | None, "the domain that it is kept for"] = None
    domain: Annotated[str | None, "its name"] = None
    domain_path: Annotated[str | None, "where that domain stands in the tree"] = None

    @classmethod
    def of(cls, row: VlanIpRange, cloud: Cloud) -> VlanIpRangeView:
        pod = cloud[pods].get(row.pod_id)
        account = cloud.table("account").get(row.account_id)
        domain = cloud.table("domain").get(row.domain_id)
        project = cloud[projects].one("account_id", row.account_id)
        return cls(
            id=row.id,
            zone_id=row.zone_id,
            vlan=row.vlan,
            for_virtual_network=row.for_virtual_network,
            for_system_vms=False,
            gateway=row.gateway,
            netmask=row.netmask,
            cidr=str(IPv4Network(f"{row.gateway}/{row.netmask}", strict=False)),
            start_ip=row.start_ip,
            end_ip=row.end_ip,
            ip6_gateway=row.ip6_gateway or None,
            ip6_cidr=row.ip6_cidr or None,
            start_ipv6=row.start_ip6 or None,
            end_ipv6=row.end_ip6 or None,
            description=row.vlan,
            physical_network_id=row.physical_network_id,
            network_id=row.network_id,
            pod_id=row.pod_id,
            pod_name=pod.name if pod else None,
            account=account.name if account and project is None else None,
            project_id=project.id if project else None,
            project=project.name if project else None,
            domain_id=row.domain_id,
            domain=domain.name if domain else None,
            domain_path=wire_path(domain.path) if domain else None,
        )
