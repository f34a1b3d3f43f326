"""What usage costs, and what accounts have paid: tariffs by time, and credits.

Amounts are decimal numbers in text, so that sums are exact. What was charged stays charged: a
tariff is never changed where it has counted already, it ends, and another begins.
"""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("quota_tariff")
class QuotaTariff(Aggregate):
    """`value` is the price of a unit for a month. It counts from `starts_at_ms` until before
    `ends_at_ms`; 0 is no end. `removed_at_ms` is when an administrator ended it for good, or when
    another took its place."""

    name: str
    usage_type: int
    value: str
    starts_at_ms: int
    ends_at_ms: int = 0
    removed_at_ms: int = 0
    description: str = ""
    position: int = 1

    @property
    def price(self) -> Decimal:
        return Decimal(self.value)


@record("quota_credit")
class QuotaCredit(Aggregate):
    """What was put to an account's credit, or with a negative amount taken from it."""

    account_id: UUID
    domain_id: UUID
    value: str
    user_id: UUID | None = None

    @property
    def amount(self) -> Decimal:
        return Decimal(self.value)
