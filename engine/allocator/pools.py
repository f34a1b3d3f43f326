"""The pool that a volume gets, and the rules by which pools refuse."""

from __future__ import annotations

from aggregates.space import SpaceSupplied
from engine.allocator.request import SpaceRequest
from projections.space import Pool, Space


def choose_pool(space: Space, request: SpaceRequest) -> Pool | None:
    """The pool with the most left of those that may serve, or None when every one refuses."""
    place = (request.host_id, request.cluster_id, request.pod_id, request.zone_id)
    pools = space.pools.values() if request.host_id is None else space.serving(place)
    fitting = (pool for pool in pools if refusal(pool, request) is None)
    return max(fitting, key=lambda pool: pool.free_bytes, default=None)


def refusal(pool: Pool, request: SpaceRequest) -> tuple[str, str] | None:
    """The first rule that refuses a pool, by name and in words; None when it may serve."""
    row = pool.supply
    if row is None or not _reaches(pool, request):
        return "elsewhere", "is not within reach"
    if not row.enabled:
        return "disabled", "is disabled"
    if not request.tags.issubset(row.tags):
        return "without the tags", f"has {sorted(row.tags)}, asked for {sorted(request.tags)}"
    if pool.id in request.avoid:
        return "avoided", "must be avoided for this volume"
    if pool.free_bytes < request.size_bytes:
        return "short of space", f"wants {request.size_bytes} bytes, has {pool.free_bytes}"
    if request.pool_id is None and pool.used_bytes + request.size_bytes > most(row):
        return "nearly full", f"promises no more than {row.threshold:.0%} of what it offers"
    return None


def most(row: SpaceSupplied) -> int:
    """The bytes up to which new volumes are put into the pool."""
    return int(row.offered_bytes * row.threshold)


def _reaches(pool: Pool, request: SpaceRequest) -> bool:
    """Whether the pool serves the place that was asked for; a place left open may be any."""
    row = pool.supply
    assert row is not None, "only a supplied pool reaches anywhere"
    pairs = (
        (row.pod_id, request.pod_id),
        (row.cluster_id, request.cluster_id),
        (row.host_id, request.host_id),
    )
    return (
        row.zone_id == request.zone_id
        and request.pool_id in (None, pool.id)
        and all(None in pair or pair[0] == pair[1] for pair in pairs)
    )
