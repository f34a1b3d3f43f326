"""How much of something an account, or a domain with all that is below it, may have."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record

UNLIMITED = -1
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Resource:
    """What can be limited. `number` is CloudStack's; `unit` is what one of a limit's numbers is.

    `words` end the names of the settings that say how much an account, a domain and a project
    may have unless it was said for them.
    """

    number: int
    name: str
    words: str
    account: int
    domain: int
    project: int
    unit: int = 1
    tagged_by: str = ""


RESOURCES: dict[str, Resource] = {
    one.name: one
    for one in (
        Resource(0, "user_vm", "user.vms", 20, 40, 20, tagged_by="host"),
        Resource(1, "public_ip", "public.ips", 20, 40, 20),
        Resource(2, "volume", "volumes", 20, 40, 20, tagged_by="storage"),
        Resource(3, "snapshot", "snapshots", 20, 40, 20),
        Resource(4, "template", "templates", 20, 40, 20),
        Resource(5, "project", "projects", 10, 50, 0),
        Resource(6, "network", "networks", 20, 40, 20),
        Resource(7, "vpc", "vpcs", 20, 40, 20),
        Resource(8, "cpu", "cpus", 40, 80, 40, tagged_by="host"),
        Resource(9, "memory", "memory", 40960, 81920, 40960, tagged_by="host"),
        Resource(10, "primary_storage", "primary.storage", 200, 400, 200, GIB, tagged_by="storage"),
        Resource(11, "secondary_storage", "secondary.storage", 400, 800, 400, GIB),
        # Nobody can have any of these yet; clients read and set their limits all the same.
        Resource(12, "backup", "backups", 20, 40, 20),
        Resource(13, "backup_storage", "backup.storage", 400, 800, 400, GIB),
        Resource(14, "bucket", "buckets", 20, 40, 20),
        Resource(15, "object_storage", "object.storage", 400, 800, 400, GIB),
        Resource(16, "gpu", "gpus", 20, 40, 20),
    )
}
BY_NUMBER = {one.number: one for one in RESOURCES.values()}


@record("resource_limit", unique=(("owner_id", "resource", "tag"),))
class ResourceLimit(Aggregate):
    """`maximum` is in the resource's unit, -1 is without limit. Without a tag it is for all."""

    owner_id: UUID
    resource: str
    maximum: int
    tag: str = ""
