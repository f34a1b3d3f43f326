"""A load balancer inside a network, as the wire shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, Roles, View, view
from api.views.owner import OwnedView, owner
from api.views.tag import TagView, tags_of
from projections.load_balancer import LoadBalancer
from projections.vm import vms

noun("load_balancer", "owned")


@view
class BalancedPortView(View, kw_only=True):
    """A port that is balanced."""

    source_port: Annotated[int, "the port of the load balancer"]
    instance_port: Annotated[int, "the port of its guests"]
    state: Annotated[str, "Active"]


@view
class BalancedGuestView(View, kw_only=True):
    """A guest that takes connections."""

    id: Annotated[UUID, "the guest"]
    name: Annotated[str, "its name"]
    state: Annotated[str, "its state"]
    ip_address: Annotated[str, "where it takes them"]


@view
class LoadBalancerView(OwnedView, kw_only=True):
    """A load balancer inside a network."""

    id: Annotated[UUID, "the load balancer"]
    name: Annotated[str, "its name"]
    description: Annotated[str | None, "what its owner says of it"] = None
    algorithm: Annotated[str, "roundrobin, leastconn or source"]
    network_id: Annotated[UUID, "the network of its guests"]
    source_ip_address: Annotated[str, "where it is reached"]
    source_ip_address_network_id: Annotated[UUID, "the network of that address"]
    load_balancer_rule: Annotated[list[BalancedPortView], "its port"]
    load_balancer_instance: Annotated[list[BalancedGuestView], "its guests"]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    tags: Annotated[list[TagView], "its tags"]

    @classmethod
    def of(cls, row: LoadBalancer, cloud: Cloud) -> LoadBalancerView:
        port = BalancedPortView(
            source_port=row.source_port, instance_port=row.instance_port, state=row.state
        )
        guests = [
            BalancedGuestView(id=vm.id, name=vm.name, state=vm.state, ip_address=one.ip)
            for one in row.members
            if (vm := cloud[vms].get(one.vm_id)) is not None
        ]
        return cls(
            id=row.id,
            name=row.name,
            description=row.description or None,
            algorithm=row.algorithm,
            network_id=row.network_id,
            source_ip_address=row.source_ip,
            source_ip_address_network_id=row.source_network_id,
            load_balancer_rule=[port],
            load_balancer_instance=guests,
            for_display=row.is_displayed,
            tags=tags_of(row.id, cloud),
            **owner(row, cloud),
        )
