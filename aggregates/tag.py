"""A tag: a key with a value that somebody put on a thing."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("tag", unique=(("resource_id", "key"),))
class Tag(Aggregate):
    """`kind` is the noun of the thing; account and domain are those that own the thing."""

    kind: str
    resource_id: UUID
    key: str
    value: str
    account_id: UUID
    domain_id: UUID
    customer: str = ""
