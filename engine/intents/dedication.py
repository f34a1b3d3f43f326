"""What may be asked about places that are kept for somebody."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Dedicate:
    """Keep a place (`zone_id`, `pod_id`, `cluster_id` or `host_id`) for a domain or an account."""

    id: UUID
    place: str
    place_id: UUID
    domain_id: UUID
    account_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Open a place to everybody again."""

    place: str
    place_id: UUID
