"""Pools: a volume type of Cinder each, with the room of its back ends or of the quota.

cinder://fast       volumes of the type "fast"
cinder://default    volumes of the type that Cinder takes by default
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

from drivers.contract.errors import Refused
from drivers.contract.storage import PoolFacts, PoolSpec
from drivers.openstack.client import Client
from drivers.openstack.errors import Denied

GIB = 1024**3
NOTHING: Mapping[str, str] = MappingProxyType({})
DEFAULT = "default"
# What a pool is said to hold if neither a back end nor a quota sets a bound.
UNBOUNDED_GIB = 1024**2


def volume_type(pool: PoolSpec) -> str:
    """The type that a pool names; empty for Cinder's default."""
    parts = urlsplit(pool.url)
    if parts.scheme.lower() != "cinder" or not parts.netloc:
        raise Refused(
            f"{pool.url!r} is no pool of a region: it is written cinder://VOLUME-TYPE, or "
            "cinder://default. Root disks that Nova keeps on its hosts are not supported: they "
            "would go with their server"
        )
    name = unquote(parts.netloc)
    return "" if name == DEFAULT else name


async def check(client: Client, pool: PoolSpec) -> None:
    """Refused if the region has no Cinder, or Cinder no such type."""
    wanted = volume_type(pool)
    if not await client.has("volume"):
        raise Refused(
            f"region {client.region.name} has no Cinder, so guests cannot keep their disks there: "
            "add Cinder to the region and its endpoint to Keystone's catalogue"
        )
    said = await client.get("volume", "/types", "list volume types")
    there = [one["name"] for one in said["volume_types"]]
    if wanted and wanted not in there:
        raise Refused(
            f"Cinder in region {client.region.name} has no volume type {wanted!r} that project "
            f"{client.region.project} may use: it has {', '.join(there)}"
        )


async def facts(client: Client, pool: PoolSpec) -> PoolFacts:
    """The room of the back ends that serve the type, bounded by what the project may use."""
    said = (await client.get("volume", "/limits", "ask Cinder for limits"))["limits"]["absolute"]
    bound, used = said["maxTotalVolumeGigabytes"], said["totalGigabytesUsed"]
    bound = UNBOUNDED_GIB if bound < 0 else bound
    try:
        total, free = await _backends(client, volume_type(pool))
    except Denied:
        total, free = None, None
    if total is not None and free is not None and total <= bound:
        return PoolFacts(capacity_bytes=int(total * GIB), used_bytes=int((total - free) * GIB))
    return PoolFacts(capacity_bytes=bound * GIB, used_bytes=min(used, bound) * GIB)


async def _backends(client: Client, wanted: str) -> tuple[float | None, float | None]:
    """Total and free GiB of the back ends of a type; nothing where one is infinite or unknown."""
    backend = await _backend_name(client, wanted) if wanted else ""
    path, doing = "/scheduler-stats/get_pools", "ask Cinder for its pools"
    said = await client.get("volume", path, doing, detail="true")
    total, free = 0.0, 0.0
    for one in said["pools"]:
        able: dict[str, Any] = one.get("capabilities", {})
        if backend and able.get("volume_backend_name") != backend:
            continue
        sizes = able.get("total_capacity_gb"), able.get("free_capacity_gb")
        if not all(isinstance(size, int | float) for size in sizes):
            return None, None
        total, free = total + float(sizes[0] or 0), free + float(sizes[1] or 0)
    return (total, max(0.0, min(free, total))) if total else (None, None)


async def _backend_name(client: Client, wanted: str) -> str:
    said = await client.get("volume", "/types", "list volume types")
    for one in said["volume_types"]:
        if one["name"] == wanted:
            return str((one.get("extra_specs") or {}).get("volume_backend_name", ""))
    return ""
