"""A guest that no controller made as the wire shows it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.declare import Cloud, View, view
from engine.intents.adopt import FoundElsewhere, FoundGuest
from projections.cluster import clusters
from projections.host import hosts
from projections.storage_pool import storage_pools

POWER = {"running": "PowerOn", "paused": "PowerOn"}


@view
class UnmanagedDiskView(View, kw_only=True):
    """A disk of a guest that no controller made."""

    id: Annotated[str, "what datadiskofferinglist calls it"]
    label: Annotated[str, "what its host calls it"]
    capacity: Annotated[int, "its size in bytes"]
    image_path: Annotated[str, "its image"]
    position: Annotated[int, "its place among the disks, from 0"]
    datastore_name: Annotated[str | None, "the pool that it lies in"] = None
    datastore_type: Annotated[str | None, "the type of that pool"] = None


@view
class UnmanagedNicView(View, kw_only=True):
    """A network card of a guest that no controller made."""

    id: Annotated[str, "what nicnetworklist and nicipaddresslist call it"]
    mac_address: Annotated[str, "its hardware address"]
    network_name: Annotated[str | None, "the bridge that it is plugged into"] = None


@view
class UnmanagedInstanceView(View, kw_only=True):
    """A guest that no controller made, with what one must know to import it."""

    name: Annotated[str, "its name on its host"]
    cluster_id: Annotated[UUID | None, "the cluster"] = None
    cluster_name: Annotated[str, "its name"]
    host_id: Annotated[UUID | None, "the host that runs it"] = None
    host_name: Annotated[str, "its name"]
    power_state: Annotated[str, "PowerOn or PowerOff"]
    cpu_number: Annotated[int, "how many cores"]
    memory: Annotated[int, "memory in MiB"]
    hypervisor: Annotated[str, "what runs it"]
    disk: Annotated[list[UnmanagedDiskView], "its disks, the root disk first"]
    nic: Annotated[list[UnmanagedNicView], "its network cards"]

    @classmethod
    def of(cls, row: FoundGuest | FoundElsewhere, cloud: Cloud) -> UnmanagedInstanceView:
        host = cloud[hosts].get(row.host_id)
        place = _place(row, cloud)
        return cls(
            name=row.name,
            cluster_id=None if host is None else host.cluster_id,
            cluster_name=place[1],
            host_id=None if host is None else host.id,
            host_name=place[0],
            power_state=POWER.get(row.power, "PowerOff"),
            cpu_number=row.cpu_count,
            memory=row.memory_mib,
            hypervisor=place[2],
            disk=[_disk(disk, place, cloud) for place, disk in enumerate(row.disks)],
            nic=[
                UnmanagedNicView(id=nic.mac, mac_address=nic.mac, network_name=nic.bridge or None)
                for nic in row.nics
            ],
        )


def _place(row: FoundGuest | FoundElsewhere, cloud: Cloud) -> tuple[str, str, str]:
    """The names of its host and cluster, as they are here or there, and what runs it."""
    host = cloud[hosts].get(row.host_id)
    if host is not None:
        return host.name, cloud[clusters][host.cluster_id].name, host.hypervisor
    assert isinstance(row, FoundElsewhere), "the others are of hosts that are here"
    return row.host_name, row.cluster_name, row.hypervisor


def _disk(disk: Any, place: int, cloud: Cloud) -> UnmanagedDiskView:
    pool = cloud[storage_pools].get(disk.pool_id)
    return UnmanagedDiskView(
        id=disk.label,
        label=disk.label,
        capacity=disk.size_bytes,
        image_path=disk.path,
        position=place,
        datastore_name=None if pool is None else pool.name,
        datastore_type=None if pool is None else pool.pool_type,
    )


@view
class UnmanagedView(View, kw_only=True):
    """What became of a guest that was let go of."""

    success: Annotated[bool, "true if it was let go of"]
    details: Annotated[str | None, "anything worth adding"] = None
