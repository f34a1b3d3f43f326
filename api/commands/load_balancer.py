"""Load balancers inside a network: make, show, remove and list them."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated
from uuid import UUID

from api import records
from api.commands.custom_id import KeepsId
from api.commands.rule_checks import port_range
from api.declare import Caller, Job, Names, OneOf, Roles, Success, command
from api.errors import InvalidValue
from api.lists import Displayed, Filter, list_command
from api.views.load_balancer import LoadBalancerView
from engine.intents.load_balancer import CreateLoadBalancer, RemoveLoadBalancer
from projections.load_balancer import load_balancers

KIND = "load_balancer"


@command(
    "createLoadBalancer",
    returns=LoadBalancerView,
    key="loadbalancer",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="LB.CREATE",
)
class CreateInternalLoadBalancer:
    """Spread the connections to a port of an address of a network over its guests."""

    name: Annotated[str, "its name"]
    scheme: Annotated[str, "Internal", OneOf("Internal")]
    algorithm: Annotated[
        str, "roundrobin, leastconn or source", OneOf("roundrobin", "leastconn", "source")
    ]
    network_id: Annotated[UUID, "the network of its guests", Names("network", "operate")]
    source_ip_address_network_id: Annotated[
        UUID, "the network of its address: the same", Names("network", "operate")
    ]
    source_port: Annotated[int, "its port"]
    instance_port: Annotated[int, "the port of its guests"]
    source_ip_address: Annotated[str | None, "its address; the lowest free one if omitted"] = None
    description: Annotated[str | None, "what to say of it"] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        source, _ = port_range(self.source_port, None, "sourceport")
        instance, _ = port_range(self.instance_port, None, "instanceport")
        row_id = caller.new_id()
        ask = CreateLoadBalancer(
            id=row_id,
            router_id=caller.new_id(),
            network_id=self.network_id,
            source_network_id=self.source_ip_address_network_id,
            name=self.name,
            description=self.description or "",
            source_ip=_address(self.source_ip_address or ""),
            source_port=source,
            instance_port=instance,
            algorithm=self.algorithm,
            is_displayed=self.for_display is not False,
        )
        return await records.as_job(caller, ask, KIND, row_id)


def _address(text: str) -> str:
    try:
        return str(IPv4Address(text)) if text else ""
    except ValueError:
        raise InvalidValue(f"sourceipaddress {text!r} is no IPv4 address") from None


@command(
    "updateLoadBalancer",
    returns=LoadBalancerView,
    key="loadbalancer",
    allow="ARDU",
    is_async=True,
    action="LB.UPDATE",
)
class UpdateInternalLoadBalancer(KeepsId):
    """Show a load balancer to its owner, or hide it."""

    id: Annotated[UUID, "the load balancer", Names(KIND, right="operate")]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        fields = records.given(self, is_displayed="for_display")
        return await records.update(caller, KIND, self.id, fields)


@command("deleteLoadBalancer", returns=Success, allow="ARDU", is_async=True, action="LB.DELETE")
class DeleteInternalLoadBalancer:
    """Remove a load balancer; the last one of an address gives the address back."""

    id: Annotated[UUID, "the load balancer", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.as_job(caller, RemoveLoadBalancer(id=self.id), KIND, self.id)


@list_command(
    "listLoadBalancers",
    view=LoadBalancerView,
    table=load_balancers,
    key="loadbalancer",
    keyword=("name", "description"),
)
class ListInternalLoadBalancers(Displayed):
    """List load balancers inside networks."""

    network_id: Annotated[UUID | None, "of this network", Names("network", right="see")] = None
    scheme: Annotated[
        str | None,
        "Internal; another word finds none",
        Filter(test=lambda row, wanted: wanted.lower() == "internal"),
    ] = None
    source_ip_address: Annotated[str | None, "at this address", Filter("source_ip")] = None
    source_ip_address_network_id: Annotated[
        UUID | None,
        "with an address of this network",
        Names("network", right="see"),
        Filter("source_network_id"),
    ] = None
    for_display: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None
