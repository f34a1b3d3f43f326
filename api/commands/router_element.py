"""Elements of router and load-balancer providers: create, configure, list."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Caller, Idle, Job, Names, command
from api.lists import Filter, list_command
from api.views.router_element import InternalLoadBalancerElementView, VirtualRouterElementView
from engine.intents.job import AsJob
from engine.intents.record import CreateRecord, UpdateRecord
from projections.network_service_provider import network_service_providers
from projections.router_element import RouterElement, router_elements

KIND = "router_element"
PROVIDER = "network_service_provider"


async def create(caller: Caller, provider_id: UUID) -> Job:
    """The one element of a provider."""
    element_id = caller.new_id()
    kind = caller.cloud[network_service_providers][provider_id].name
    fields = {"provider_id": provider_id, "kind": kind}
    ask = CreateRecord(kind=KIND, id=element_id, fields=fields)
    return await caller.submit(AsJob(ask=ask, subject_kind=KIND, subject_id=element_id))


async def configure(caller: Caller, element_id: UUID, enabled: bool) -> Job:
    """Let an element serve, or not."""
    ask = UpdateRecord(kind=KIND, id=element_id, fields={"enabled": enabled})
    return await caller.submit(AsJob(ask=ask, subject_kind=KIND, subject_id=element_id))


@command(
    "createVirtualRouterElement",
    returns=VirtualRouterElementView,
    key="virtualrouterelement",
    allow="ARD",
    is_async=True,
    creates=True,
    action="NETWORK.ELEMENT.CREATE",
)
class CreateVirtualRouterElement:
    """Give a virtual router provider its element."""

    nsp_id: Annotated[UUID, "the provider", Names(PROVIDER, right="operate")]
    provider_type: Annotated[
        UUID | None, "accepted, and of no effect", Idle("a provider has one element")
    ] = None

    async def run(self, caller: Caller) -> Job:
        return await create(caller, self.nsp_id)


@command(
    "configureVirtualRouterElement",
    returns=VirtualRouterElementView,
    key="virtualrouterelement",
    allow="ARD",
    is_async=True,
    action="NETWORK.ELEMENT.CONFIGURE",
)
class ConfigureVirtualRouterElement:
    """Enable or disable the element of a virtual router provider."""

    id: Annotated[UUID, "the element", Names(KIND, right="operate")]
    enabled: Annotated[bool, "whether it may make routers"]

    async def run(self, caller: Caller) -> Job:
        return await configure(caller, self.id, self.enabled)


@command(
    "createInternalLoadBalancerElement",
    returns=InternalLoadBalancerElementView,
    key="internalloadbalancerelement",
    allow="ARD",
    is_async=True,
    creates=True,
    action="NETWORK.ELEMENT.CREATE",
)
class CreateInternalLoadBalancerElement:
    """Give an internal load balancer provider its element."""

    nsp_id: Annotated[UUID, "the provider", Names(PROVIDER, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await create(caller, self.nsp_id)


@command(
    "configureInternalLoadBalancerElement",
    returns=InternalLoadBalancerElementView,
    key="internalloadbalancerelement",
    allow="ARD",
    is_async=True,
    action="NETWORK.ELEMENT.CONFIGURE",
)
class ConfigureInternalLoadBalancerElement:
    """Enable or disable the element of an internal load balancer provider."""

    id: Annotated[UUID, "the element", Names(KIND, right="operate")]
    enabled: Annotated[bool, "whether it may make load balancers"]

    async def run(self, caller: Caller) -> Job:
        return await configure(caller, self.id, self.enabled)


@list_command(
    "listVirtualRouterElements",
    view=VirtualRouterElementView,
    table=router_elements,
    key="virtualrouterelement",
    keyword=("kind",),
    scope="admin",
    allow="ARD",
)
class ListVirtualRouterElements:
    """List the elements of virtual router providers."""

    nsp_id: Annotated[
        UUID | None, "that of this provider", Names(PROVIDER, right="see"), Filter("provider_id")
    ] = None
    enabled: Annotated[bool | None, "only enabled ones, or only others"] = None

    def matches(self, row: RouterElement, caller: Caller) -> bool:
        return row.kind in ("VirtualRouter", "VpcVirtualRouter")


@list_command(
    "listInternalLoadBalancerElements",
    view=InternalLoadBalancerElementView,
    table=router_elements,
    key="internalloadbalancerelement",
    keyword=("kind",),
    scope="admin",
    allow="ARD",
)
class ListInternalLoadBalancerElements:
    """List the elements of internal load balancer providers."""

    nsp_id: Annotated[
        UUID | None, "that of this provider", Names(PROVIDER, right="see"), Filter("provider_id")
    ] = None
    enabled: Annotated[bool | None, "only enabled ones, or only others"] = None

    def matches(self, row: RouterElement, caller: Caller) -> bool:
        return row.kind == "InternalLbVm"
