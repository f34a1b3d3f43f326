"""Controllers: this one, how it is, and what keeps its log."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.authz import noun
from api.declare import Bound, Caller, Free, Idle, Page, command, date
from api.lists import cut
from api.render import CLOUDSTACK_VERSION
from api.this_controller import CONTROLLER_ID
from api.views.management_server import (
    DbMetricsView,
    ManagementServerMetricsView,
    ManagementServerView,
    UsageServerMetricsView,
    machine,
)
from projections.host import hosts
from projections.saga import RunState, saga_runs
from projections.setting import is_on, value_of

noun("management_server", "admin")
LIVE = (RunState.RUNNING, RunState.UNDOING)

Id = Annotated[
    UUID | None, "the one of this id", Free("only root administrators ask, and it has no row")
]
Name = Annotated[str | None, "the one of this name"]
Version = Annotated[str | None, "of this version"]
Keyword = Annotated[str | None, "text that the name contains"]
PageNumber = Annotated[int | None, "which page, from 1", Bound(1)]
PageSize = Annotated[int | None, "rows a page; -1 for no limit", Bound(-1)]
Peers = Annotated[bool | None, "accepted: it has none", Idle("one controller has no peers")]


def told(caller: Caller) -> dict[str, Any]:
    """What every list tells of this controller."""
    status, cloud = caller.engine.status(), caller.cloud
    address = value_of(cloud, "host")
    return {
        "id": CONTROLLER_ID,
        "name": status.host_name,
        "state": "Up",
        "version": CLOUDSTACK_VERSION,
        "last_server_start": date(status.started_at_ms),
        "last_boot_time": date(status.booted_at_ms),
        "os_distribution": status.operating_system,
        "kernel_version": status.kernel,
        "runtime": status.runtime,
        "service_ip": address,
        "ip_address": address,
        "database": status.database,
        "log_position": cloud.position,
        "agents_count": len(cloud[hosts]),
        "pending_jobs_count": sum(len(list(cloud[saga_runs].by("state", one))) for one in LIVE),
    }


def fitting(ask: Any, caller: Caller, found: Any) -> Page:
    """The only controller, if it is what was asked for."""
    asked = ((ask.id, CONTROLLER_ID), (ask.name, found.name), (ask.version, found.version))
    fits = all(not want or str(want).casefold() == str(has).casefold() for want, has in asked)
    rows = [found] if fits and (ask.keyword or "").casefold() in found.name.casefold() else []
    return Page(len(rows), cut(rows, ask.page, ask.page_size, caller))


@command(
    "listManagementServers",
    returns=ManagementServerView,
    key="managementserver",
    shape="list",
    allow="A",
)
class ListManagementServers:
    """List controllers: this one, since when it runs, and how far its log is."""

    id: Id = None
    name: Name = None
    version: Version = None
    keyword: Keyword = None
    page: PageNumber = None
    page_size: PageSize = None
    peers: Peers = None

    async def run(self, caller: Caller) -> Page:
        return fitting(self, caller, ManagementServerView(**told(caller)))


@command(
    "listManagementServersMetrics",
    returns=ManagementServerMetricsView,
    key="managementserver",
    shape="list",
    allow="A",
    since="4.17.0",
)
class ListManagementServersMetrics:
    """List controllers, and how busy they and their machines are."""

    id: Id = None
    name: Name = None
    version: Version = None
    system: Annotated[bool | None, "taken and not needed: all is told"] = None
    keyword: Keyword = None
    page: PageNumber = None
    page_size: PageSize = None
    peers: Peers = None

    async def run(self, caller: Caller) -> Page:
        status = caller.engine.status()
        found = ManagementServerMetricsView(
            **told(caller),
            **machine(status),
            agent_count=len(caller.cloud[hosts]),
            db_is_local=status.database_bytes is not None,
            usage_is_local=True,
            collection_time=date(caller.now_ms),
        )
        return fitting(self, caller, found)


@command("listDbMetrics", returns=DbMetricsView, key="dbMetrics", allow="A", since="4.17.0")
class ListDbMetrics:
    """Say how what keeps the log is."""

    async def run(self, caller: Caller) -> DbMetricsView:
        status = caller.engine.status()
        return DbMetricsView(
            collection_time=date(caller.now_ms),
            hostname=status.host_name,
            version=status.database_version or None,
            version_comment=status.database,
            uptime=max(0, caller.now_ms - status.started_at_ms) // 1000,
            queries=status.log_position,
            size=status.database_bytes,
            db_load_averages=[round(one, 2) for one in status.load],
        )


@command(
    "listUsageServerMetrics",
    returns=UsageServerMetricsView,
    key="usageMetrics",
    allow="A",
    since="4.17.0",
)
class ListUsageServerMetrics:
    """Say up to when usage is told: always up to now, as it follows from the log."""

    async def run(self, caller: Caller) -> UsageServerMetricsView:
        now = date(caller.now_ms)
        return UsageServerMetricsView(
            collection_time=now,
            hostname=caller.engine.status().host_name,
            state="Up" if is_on(caller.cloud, "enable.usage.server") else "Disabled",
            last_heartbeat=now,
            last_successful_job=now,
        )
