"""The pool that a volume gets, and the rules by which pools refuse."""

from __future__ import annotations

from uuid import UUID

from aggregates.space import SpaceSupplied
from engine.allocator.request import SpaceRequest
from projections.space import Pool, Space


def choose_pool(space: Space, request: SpaceRequest) -> Pool | None:
    """The pool with the most left of those that may serve, or None when every one refuses."""
    place = (request.host_id, request.cluster_id, request.pod_id, request.zone_id)
    pools = space.pools.values() if request.host_id is None else space.serving(place)
    fitting = (
        pool
        for pool in pools
        if pool.supply is not None and not refused(pool, request) and reaches(pool, request)
    )
    return max(fitting, key=lambda pool: pool.free_bytes, default=None)


def refusal(pool: Pool, request: SpaceRequest) -> tuple[str, str] | None:
    """The first rule that refuses a pool, by name and in words; None when it may serve."""
    row = pool.supply
    rule = "elsewhere" if row is None or not reaches(pool, request) else refused(pool, request)
    if row is None or not rule:
        return (rule, "is not within reach") if rule else None
    words = {
        "elsewhere": "is not within reach",
        "disabled": "is disabled",
        "without the tags": f"has {sorted(row.tags)}, asked for {sorted(request.tags)}",
        "avoided": "must be avoided for this volume",
        "short of space": f"wants {request.size_bytes} bytes, has {pool.free_bytes}",
        "nearly full": f"promises no more than {row.threshold:.0%} of what it offers",
    }
    return rule, words[rule]


def refused(pool: Pool, request: SpaceRequest, beside: int = 0) -> str:
    """The first rule by which a pool within reach refuses; empty when it may serve.

    `beside` are the bytes that it is to hold besides what it was promised.
    """
    row = pool.supply
    if row is None or not row.enabled:
        return "disabled"
    if request.tags and not request.tags.issubset(row.tags):
        return "without the tags"
    if request.avoid and pool.id in request.avoid:
        return "avoided"
    offered, wanted = row.offered_bytes, pool.used_bytes + beside + request.size_bytes
    if wanted > offered:
        return "short of space"
    if request.pool_id is None and wanted > most(row):
        return "nearly full"
    return ""


def most(row: SpaceSupplied) -> int:
    """The bytes up to which new volumes are put into the pool."""
    offered = row.offered_bytes
    return int(offered * row.threshold) if row.threshold < 1 else offered


def plain_most(row: SpaceSupplied) -> int:
    """The bytes up to which a pool takes volumes that ask for no tag and name no pool."""
    return most(row) if row.enabled else -1


def reaches(pool: Pool, request: SpaceRequest) -> bool:
    """Whether the pool serves the place that was asked for; a place left open may be any."""
    row = pool.supply
    assert row is not None, "only a supplied pool reaches anywhere"
    return (
        (request.pool_id is None or request.pool_id == pool.id)
        and row.zone_id == request.zone_id
        and _agree(row.pod_id, request.pod_id)
        and _agree(row.cluster_id, request.cluster_id)
        and _agree(row.host_id, request.host_id)
    )


def _agree(one: UUID | None, other: UUID | None) -> bool:
    return one is None or other is None or one == other
