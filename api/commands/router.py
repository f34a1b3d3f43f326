"""Routers: start, stop, restart, destroy and list them; internal load balancers alike."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands import state_words
from api.declare import Caller, Job, Names, command, part
from api.errors import InvalidValue
from api.lists import Filter, list_command
from api.views.router import RouterHealthView, RouterView, checks
from engine.intents.router import DestroyRouter, MoveRouter, ResizeSystemGuest
from projections.host import hosts
from projections.router import Router, routers

KIND = "router"
RUNNING, STOPPED = "Running", "Stopped"
ROUTER, BALANCER = "VIRTUAL_ROUTER", "INTERNAL_LB_VM"


async def move(caller: Caller, router_id: UUID, state: str, *allowed: str, role: str) -> Job:
    """Bring a router of one role to a state, as a job."""
    row = caller.cloud[routers][router_id]
    if row.role != role:
        raise InvalidValue(f"{row.name} is a {row.role}, not a {role}: use the other commands")
    ask = MoveRouter(id=router_id, state=state, allowed=allowed, at_ms=caller.now_ms)
    return await records.as_job(caller, ask, KIND, router_id)


@command(
    "startRouter",
    returns=RouterView,
    key="router",
    allow="ARD",
    is_async=True,
    action="ROUTER.START",
)
class StartRouter:
    """Start a stopped router."""

    id: Annotated[UUID, "the router", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await move(caller, self.id, RUNNING, STOPPED, role=ROUTER)


@command(
    "stopRouter", returns=RouterView, key="router", allow="ARD", is_async=True, action="ROUTER.STOP"
)
class StopRouter:
    """Stop a running router."""

    id: Annotated[UUID, "the router", Names(KIND, right="operate")]
    forced: Annotated[bool | None, "cut its power instead of asking"] = None

    async def run(self, caller: Caller) -> Job:
        return await move(caller, self.id, STOPPED, RUNNING, role=ROUTER)


@command(
    "rebootRouter",
    returns=RouterView,
    key="router",
    allow="ARD",
    is_async=True,
    action="ROUTER.REBOOT",
)
class RebootRouter:
    """Restart a running router."""

    id: Annotated[UUID, "the router", Names(KIND, right="operate")]
    forced: Annotated[bool | None, "cut its power instead of asking"] = None

    async def run(self, caller: Caller) -> Job:
        return await move(caller, self.id, RUNNING, RUNNING, role=ROUTER)


@command(
    "destroyRouter",
    returns=RouterView,
    key="router",
    allow="ARD",
    is_async=True,
    action="ROUTER.DESTROY",
)
class DestroyRouterCommand:
    """End a router. Restarting its network, or its VPC, makes another."""

    id: Annotated[UUID, "the router", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.as_job(caller, DestroyRouter(id=self.id), KIND, self.id)


@command(
    "changeServiceForRouter",
    returns=RouterView,
    key="router",
    allow="ARD",
    action="ROUTER.UPGRADE",
)
class ChangeServiceForRouter:
    """Give a stopped router another size."""

    id: Annotated[UUID, "the router", Names(KIND, right="operate")]
    service_offering_id: Annotated[UUID, "its new size", Names("service_offering")]

    async def run(self, caller: Caller) -> Router:
        size = self.service_offering_id
        await caller.decide(ResizeSystemGuest(kind=KIND, id=self.id, service_offering_id=size))
        return caller.cloud[routers][self.id]


@command(
    "getRouterHealthCheckResults", returns=RouterHealthView, key="routerhealthchecks", allow="A"
)
class GetRouterHealthCheckResults:
    """What the checks of a router found. A router that is only a record has none made."""

    router_id: Annotated[UUID, "the router", Names(KIND, right="see")]
    perform_fresh_checks: Annotated[
        bool | None, "true is refused for a record; others are checked each minute"
    ] = None

    async def run(self, caller: Caller) -> RouterHealthView:
        row = caller.cloud[routers][self.router_id]
        if self.perform_fresh_checks and row.host_id is None:
            raise InvalidValue(
                f"{row.name} runs on no host where it could be checked: leave it out"
            )
        return RouterHealthView(router_id=self.router_id, health_checks=checks(row))


def _nowhere(row: Any, wanted: Any) -> bool:
    """No router has what only a guest behind it could tell."""
    return False


def _failed(row: Router, wanted: bool) -> bool:
    return bool(row.trouble) is wanted


def _for_vpc(row: Router, wanted: bool) -> bool:
    return (row.vpc_id is not None) is wanted


@part
class RouterFilters:
    """What both lists of routers ask."""

    zone_id: Annotated[UUID | None, "in this zone", Names("zone", right="see")] = None
    network_id: Annotated[UUID | None, "of this network", Names("network", right="see")] = None
    vpc_id: Annotated[UUID | None, "of this VPC", Names("vpc", right="see")] = None
    for_vpc: Annotated[bool | None, "of VPCs, or of networks", Filter(test=_for_vpc)] = None
    state: Annotated[str | None, "in this state", state_words.GUEST] = None
    host_id: Annotated[UUID | None, "on this host", Names("host", right="see")] = None
    pod_id: Annotated[UUID | None, "in this pod", Names("pod", right="see"), Filter()] = None
    fetch_health_check_results: Annotated[bool | None, "also what its checks found", Filter()] = (
        None
    )

    def matches(self, row: Router, caller: Caller) -> bool:
        host = caller.cloud[hosts].get(row.host_id)
        return self.pod_id is None or (host is not None and host.pod_id == self.pod_id)

    def show(self, row: Router, caller: Caller) -> RouterView:
        checked = self.fetch_health_check_results is True
        return RouterView.of(row, caller.cloud, checked=checked)


@list_command("listRouters", view=RouterView, table=routers, key="router", allow="ARD")
class ListRouters(RouterFilters):
    """List routers."""

    cluster_id: Annotated[
        UUID | None, "in this cluster", Names("cluster", right="see"), Filter()
    ] = None
    version: Annotated[str | None, "of this version", Filter(test=_nowhere)] = None
    arch: Annotated[str | None, "of this architecture", Filter(test=_nowhere)] = None
    health_checks_failed: Annotated[
        bool | None, "those whose checks failed, or all others", Filter(test=_failed)
    ] = None

    def visible(self, row: Router, caller: Caller) -> bool:
        return row.role == ROUTER

    def matches(self, row: Router, caller: Caller) -> bool:
        host = caller.cloud[hosts].get(row.host_id)
        is_there = host is not None and host.cluster_id == self.cluster_id
        return RouterFilters.matches(self, row, caller) and (self.cluster_id is None or is_there)


@list_command(
    "listInternalLoadBalancerVMs",
    view=RouterView,
    table=routers,
    key="internalloadbalancervm",
    envelope="listinternallbvmsresponse",
    allow="A",
)
class ListInternalLoadBalancerVms(RouterFilters):
    """List what balances load inside of networks."""

    def visible(self, row: Router, caller: Caller) -> bool:
        return row.role == BALANCER


@command(
    "startInternalLoadBalancerVM",
    returns=RouterView,
    key="internalloadbalancervm",
    allow="A",
    is_async=True,
    envelope="startinternallbvmresponse",
    action="INTERNALLBVM.START",
)
class StartInternalLoadBalancerVm:
    """Start a stopped internal load balancer."""

    id: Annotated[UUID, "the load balancer", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await move(caller, self.id, RUNNING, STOPPED, role=BALANCER)


@command(
    "stopInternalLoadBalancerVM",
    returns=RouterView,
    key="internalloadbalancervm",
    allow="A",
    is_async=True,
    envelope="stopinternallbvmresponse",
    action="INTERNALLBVM.STOP",
)
class StopInternalLoadBalancerVm:
    """Stop a running internal load balancer."""

    id: Annotated[UUID, "the load balancer", Names(KIND, right="operate")]
    forced: Annotated[bool | None, "cut its power instead of asking"] = None

    async def run(self, caller: Caller) -> Job:
        return await move(caller, self.id, STOPPED, RUNNING, role=BALANCER)
