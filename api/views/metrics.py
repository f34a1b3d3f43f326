"""Hosts, clusters, pools and zones with what is really used of them, and what is too full.

Used is what hosts were measured at last; allocated is what the ledgers promise. A place is marked
when its share is beyond the settings that say from where on it is an alert (`threshold`) and from
where on nothing new goes there (`disablethreshold`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, cast, get_args
from uuid import UUID

import msgspec

from api.declare import Cloud, View, view
from api.views.cluster import ClusterView
from api.views.host import HostView
from api.views.storage_pool import StoragePoolView
from api.views.zone import ZoneView
from projections.capacity import Capacity
from projections.cluster import Cluster, clusters
from projections.host import Host, hosts
from projections.setting import DISABLES, NOTIFIES, number_of
from projections.space import Space
from projections.storage_pool import StoragePool
from projections.vm import vms
from projections.zone import Zone

GIB, MIB = 1024**3, 1024**2
POOL_DISABLES = {
    "usage": "pool.storage.capacity.disablethreshold",
    "allocated": "pool.storage.allocated.capacity.disablethreshold",
}


@dataclass(frozen=True, slots=True)
class Load:
    """What some hosts have together: MHz and MiB in all, really used, and promised.

    A deviation is how far the host that is furthest from the others is from their mean, in percent.
    """

    mhz: int = 0
    used_mhz: float = 0.0
    promised_mhz: int = 0
    mib: int = 0
    used_mib: float = 0.0
    promised_mib: int = 0
    cpu_deviation: float = 0.0
    memory_deviation: float = 0.0


def load_of(rows: Iterable[Host], cloud: Cloud) -> Load:
    """Hosts that were not measured count as idle."""
    columns, measured = cloud.view(Capacity).hosts, cloud.vitals.host
    numbered, used = columns.numbered, columns.used
    mhz = promised_mhz = mib = promised_mib = 0
    used_mhz = used_mib = 0.0
    cpu, memory = list[float](), list[float]()
    for row in rows:
        if not row.hardware_id:
            continue
        row_mhz, row_mib = row.cpu_count * row.cpu_mhz, row.memory_bytes // MIB
        mhz, mib = mhz + row_mhz, mib + row_mib
        if (slot := numbered.get(row.id.int)) is not None:
            held_mhz, held_mib = used(slot)
            promised_mhz, promised_mib = promised_mhz + held_mhz, promised_mib + held_mib
        if (sample := measured(row.id)) is None:
            cpu.append(0.0)
            memory.append(0.0)
            continue
        busy, taken = sample.cpu_used_percent, sample.memory_used_bytes / MIB
        used_mhz, used_mib = used_mhz + busy / 100 * row_mhz, used_mib + taken
        cpu.append(busy)
        memory.append(_percent(taken, row_mib))
    deviations = _deviation(cpu), _deviation(memory)
    return Load(mhz, used_mhz, promised_mhz, mib, used_mib, promised_mib, *deviations)


def _deviation(shares: list[float]) -> float:
    if not shares:
        return 0.0
    mean = sum(shares) / len(shares)
    return max(max(shares) - mean, mean - min(shares))


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def _beyond(cloud: Cloud, part: float, whole: float, name: str, *scopes: UUID) -> bool:
    return part > number_of(cloud, name, *scopes) * whole


def exceeded(cloud: Cloud, load: Load, *scopes: UUID) -> dict[str, bool]:
    """The eight marks of a host, a cluster or a zone."""
    found = {}
    for what, kind, used, promised, whole in (
        ("cpu", 1, load.used_mhz, load.promised_mhz, load.mhz),
        ("memory", 0, load.used_mib, load.promised_mib, load.mib),
    ):
        for word, part in (("", used), ("_allocated", promised)):
            notify, disable = NOTIFIES[kind], DISABLES[what]
            found[f"{what}{word}_threshold"] = _beyond(cloud, part, whole, notify, *scopes)
            found[f"{what}{word}_disable_threshold"] = _beyond(cloud, part, whole, disable, *scopes)
    return found


MARKS = {
    f"{what}{word}{end}": Annotated[bool, f"whether so much {what} is {done} that {then}"]
    for what in ("cpu", "memory")
    for word, done in (("", "used"), ("_allocated", "promised"))
    for end, then in (("_threshold", "it is an alert"), ("_disable_threshold", "no more is"))
}
SUMS = {
    "cpu_total": Annotated[str, "the speed of all cores"],
    "cpu_used": Annotated[str, "share of it that is used"],
    "cpu_allocated": Annotated[str, "share of it that is promised"],
    "cpu_max_deviation": Annotated[str, "how far one host is from the others"],
    "memory_total": Annotated[str, "all memory"],
    "memory_used": Annotated[str, "share of it that is used"],
    "memory_allocated": Annotated[str, "share of it that is promised"],
    "memory_max_deviation": Annotated[str, "how far one host is from the others"],
}


def summed(load: Load) -> dict[str, str]:
    return {
        "cpu_total": f"{load.mhz / 1000:.2f} Ghz",
        "cpu_used": f"{_percent(load.used_mhz, load.mhz):.2f}%",
        "cpu_allocated": f"{_percent(load.promised_mhz, load.mhz):.2f}%",
        "cpu_max_deviation": f"{load.cpu_deviation:.2f}%",
        "memory_total": f"{load.mib / 1024:.2f} GB",
        "memory_used": f"{_percent(load.used_mib, load.mib):.2f}%",
        "memory_allocated": f"{_percent(load.promised_mib, load.mib):.2f}%",
        "memory_max_deviation": f"{load.memory_deviation:.2f}%",
    }


def _metrics(base: type[View], fields: dict[str, Any], of: Any) -> type[View]:
    """A view with these fields besides; `of` makes them from a row."""

    def made(cls: type[View], row: Any, cloud: Cloud) -> View:
        plain = base.of(row, cloud)
        known = {name: getattr(plain, name) for name in plain.__struct_fields__}
        return cls(**known | of(row, cloud))

    name = base.__name__.replace("View", "MetricsView")
    doc = f"{name.removesuffix('View')}: what it is, what is used of it, and what is too full."
    body = {"of": classmethod(made), "__doc__": doc}
    hints: list[Any] = [
        (field, hint, None) if type(None) in get_args(get_args(hint)[0]) else (field, hint)
        for field, hint in fields.items()
    ]
    made_view: Any = msgspec.defstruct(
        name, hints, bases=(base,), namespace=body, kw_only=True, module=__name__
    )
    return view(cast(type[View], made_view))


def _host(row: Host, cloud: Cloud) -> dict[str, Any]:
    load, sample = load_of([row], cloud), cloud.vitals.host(row.id)
    here = list(cloud[vms].by("host_id", row.id))
    running = sum(vm.state == "Running" for vm in here)
    words = {
        "instances": f"{running} / {len(here)}",
        "cpu_total_ghz": f"{load.mhz / 1000:.2f} Ghz",
        "cpu_allocated_ghz": f"{load.promised_mhz / 1000:.2f} Ghz",
        "memory_total_gb": f"{load.mib / 1024:.2f} GB",
        "memory_allocated_gb": f"{load.promised_mib / 1024:.2f} GB",
    }
    if sample is not None:
        words |= {
            "cpu_used_ghz": f"{load.used_mhz / 1000:.2f} Ghz",
            "memory_used_gb": f"{load.used_mib / 1024:.2f} GB",
            "network_read": f"{sample.network_read_bytes / GIB:.2f} GB",
            "network_write": f"{sample.network_write_bytes / GIB:.2f} GB",
        }
    return words | exceeded(cloud, load, row.cluster_id, row.zone_id)


def _cluster(row: Cluster, cloud: Cloud) -> dict[str, Any]:
    mine = list(cloud[hosts].by("cluster_id", row.id))
    load = load_of(mine, cloud)
    return {
        "state": row.allocation_state,
        "hosts": f"{sum(host.state == 'Up' for host in mine)} / {len(mine)}",
        **summed(load),
        **exceeded(cloud, load, row.id, row.zone_id),
    }


def _zone(row: Zone, cloud: Cloud) -> dict[str, Any]:
    mine = list(cloud[clusters].by("zone_id", row.id))
    load = load_of(cloud[hosts].by("zone_id", row.id), cloud)
    usable = sum(one.allocation_state == "Enabled" for one in mine)
    return {
        "state": row.allocation_state,
        "clusters": f"{usable} / {len(mine)}",
        **summed(load),
        **exceeded(cloud, load, row.id),
    }


def _pool(row: StoragePool, cloud: Cloud) -> dict[str, Any]:
    held = cloud.view(Space).pools.get(row.id)
    promised = held.used_bytes if held else 0
    offered = int(row.offered_bytes * row.overprovision)
    scopes = [one for one in (row.id, row.cluster_id, row.zone_id) if one is not None]

    def beyond(part: int, whole: int, name: str) -> bool:
        return _beyond(cloud, part, whole, name, *scopes)

    return {
        "disk_size_used_gb": f"{row.used_bytes / GIB:.2f} GB",
        "disk_size_total_gb": f"{row.capacity_bytes / GIB:.2f} GB (x{row.overprovision:g})",
        "disk_size_allocated_gb": f"{promised / GIB:.2f} GB",
        "disk_size_unallocated_gb": f"{max(0, offered - promised) / GIB:.2f} GB",
        "storage_usage_threshold": beyond(row.used_bytes, row.capacity_bytes, NOTIFIES[2]),
        "storage_usage_disable_threshold": beyond(
            row.used_bytes, row.capacity_bytes, POOL_DISABLES["usage"]
        ),
        "storage_allocated_threshold": beyond(promised, offered, NOTIFIES[3]),
        "storage_allocated_disable_threshold": beyond(
            promised, offered, POOL_DISABLES["allocated"]
        ),
    }


HostMetricsView = _metrics(
    HostView,
    {
        "instances": Annotated[str, "guests that run there, of all that are there"],
        "cpu_total_ghz": Annotated[str, "the speed of all its cores"],
        "cpu_used_ghz": Annotated[str | None, "how much of it is used"],
        "cpu_allocated_ghz": Annotated[str, "how much of it is promised"],
        "memory_total_gb": Annotated[str, "all its memory"],
        "memory_used_gb": Annotated[str | None, "how much of it is used"],
        "memory_allocated_gb": Annotated[str, "how much of it is promised"],
        "network_read": Annotated[str | None, "what it received"],
        "network_write": Annotated[str | None, "what it sent"],
        **MARKS,
    },
    _host,
)
ClusterMetricsView = _metrics(
    ClusterView,
    {
        "state": Annotated[str, "Enabled or Disabled"],
        "hosts": Annotated[str, "hosts that are Up, of all"],
        **SUMS,
        **MARKS,
    },
    _cluster,
)
ZoneMetricsView = _metrics(
    ZoneView,
    {
        "state": Annotated[str, "Enabled or Disabled"],
        "clusters": Annotated[str, "clusters that are Enabled, of all"],
        **SUMS,
        **MARKS,
    },
    _zone,
)
StoragePoolMetricsView = _metrics(
    StoragePoolView,
    {
        "disk_size_used_gb": Annotated[str, "what is really used"],
        "disk_size_total_gb": Annotated[str, "all of it, and how much more may be promised"],
        "disk_size_allocated_gb": Annotated[str, "what is promised"],
        "disk_size_unallocated_gb": Annotated[str, "what may still be promised"],
        "storage_usage_threshold": Annotated[bool, "whether so much is used that it is an alert"],
        "storage_usage_disable_threshold": Annotated[bool, "whether it takes no more volumes"],
        "storage_allocated_threshold": Annotated[bool, "whether so much is promised that it is"],
        "storage_allocated_disable_threshold": Annotated[bool, "whether no more is promised"],
    },
    _pool,
)
