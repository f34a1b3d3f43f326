"""A dedication: a zone, pod, cluster or host that is kept for one domain, or one account of it."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "dedication",
    unique=(("zone_id", "pod_id", "cluster_id", "host_id"),),
    references={
        "domain_id": "domain",
        "account_id": "account",
        "zone_id": "zone",
        "pod_id": "pod",
        "cluster_id": "cluster",
        "host_id": "host",
    },
)
class Dedication(Aggregate):
    """Exactly one of the four places is named. Without an account it is the whole domain's, with
    all domains below it."""

    domain_id: UUID
    account_id: UUID | None = None
    zone_id: UUID | None = None
    pod_id: UUID | None = None
    cluster_id: UUID | None = None
    host_id: UUID | None = None
