"""Controllers as those who look after them see them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.caller import ServerStatus
from api.declare import Date, View, view

MIB = 1024**2


@view
class ManagementServerView(View, kw_only=True):
    """A controller: what runs where, since when, and how far its log is."""

    id: Annotated[UUID, "the controller"]
    name: Annotated[str, "the machine that it runs on"]
    state: Annotated[str, "Up"]
    version: Annotated[str, "the API that it speaks"]
    last_server_start: Annotated[Date, "when it was started"]
    last_boot_time: Annotated[Date | None, "when its machine was"] = None
    os_distribution: Annotated[str, "the system of its machine"]
    kernel_version: Annotated[str, "the kernel of that"]
    runtime: Annotated[str, "what runs it"]
    service_ip: Annotated[str, "the address by the setting host"]
    ip_address: Annotated[str, "the same"]
    database: Annotated[str, "what keeps its log"]
    log_position: Annotated[int, "events in its log"]
    agents_count: Annotated[int, "hosts that it looks after"]
    pending_jobs_count: Annotated[int, "jobs that are not over"]


@view
class ManagementServerMetricsView(ManagementServerView, kw_only=True):
    """A controller, and how busy it and its machine are."""

    available_processors: Annotated[int, "cores of its machine"]
    agent_count: Annotated[int, "hosts that it looks after"]
    heap_memory_used: Annotated[int, "bytes of memory that it takes"]
    threads_total_count: Annotated[int, "its threads"]
    tasks: Annotated[int, "what it does side by side"]
    system_memory_total: Annotated[str, "memory of its machine"]
    system_memory_free: Annotated[str, "how much of it could be had"]
    system_memory_used: Annotated[str, "how much of it could not"]
    system_load_averages: Annotated[list[float], "queue for the cores over 1, 5 and 15 minutes"]
    cpu_load: Annotated[str, "the last minute's queue for each core, in percent"]
    db_is_local: Annotated[bool, "whether its log is kept on its machine"]
    usage_is_local: Annotated[bool, "whether usage is told by it: it is"]
    collection_time: Annotated[Date, "when all this was so"]


@view
class DbMetricsView(View, kw_only=True):
    """What keeps the log."""

    collection_time: Annotated[Date, "when all this was so"]
    hostname: Annotated[str, "the machine that asks it"]
    version: Annotated[str | None, "its version, where that is known"] = None
    version_comment: Annotated[str, "what it is"]
    uptime: Annotated[int, "seconds for which it has been in use"]
    queries: Annotated[int, "events that it has kept"]
    size: Annotated[int | None, "bytes that it takes, where that is known"] = None
    db_load_averages: Annotated[list[float], "queue for the cores over 1, 5 and 15 minutes"]


@view
class UsageServerMetricsView(View, kw_only=True):
    """What tells usage: the controller itself, out of its log."""

    collection_time: Annotated[Date, "when all this was so"]
    hostname: Annotated[str, "where it runs"]
    state: Annotated[str, "Up, or Disabled while enable.usage.server is false"]
    last_heartbeat: Annotated[Date, "when it was last heard of: now"]
    last_successful_job: Annotated[Date, "up to when usage is told: now"]


def machine(status: ServerStatus) -> dict[str, Any]:
    """The fields that tell how the machine is."""
    taken = status.memory_total_bytes - status.memory_free_bytes
    return {
        "available_processors": status.processors,
        "heap_memory_used": status.process_bytes,
        "threads_total_count": status.threads,
        "tasks": status.tasks,
        "system_memory_total": f"{status.memory_total_bytes / MIB:.2f} MB",
        "system_memory_free": f"{status.memory_free_bytes / MIB:.2f} MB",
        "system_memory_used": f"{taken / MIB:.2f} MB",
        "system_load_averages": [round(one, 2) for one in status.load],
        "cpu_load": f"{100 * status.load[0] / status.processors:.2f}%",
    }
