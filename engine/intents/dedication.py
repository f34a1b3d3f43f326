"""What may be asked about places that are kept for somebody."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class Dedicate(Struct, frozen=True, kw_only=True):
    """Keep a place (`zone_id`, `pod_id`, `cluster_id` or `host_id`) for a domain or an account."""

    id: UUID
    place: str
    place_id: UUID
    domain_id: UUID
    account_id: UUID | None = None


class Release(Struct, frozen=True, kw_only=True):
    """Open a place to everybody again."""

    place: str
    place_id: UUID
