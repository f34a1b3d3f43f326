"""What usage costs: a pure fold over spans of usage and the tariffs that counted at the time.

A price is for a unit and a month of 30 days. Of volumes, images and snapshots the unit is a GiB,
of everything else the thing itself. Nothing is written down, so a period costs the same whenever
it is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal, localcontext
from uuid import UUID

from aggregates.quota import QuotaCredit, QuotaTariff
from projections.cloud import Cloud
from projections.table import table
from projections.usage import ISO, SNAPSHOT, TEMPLATE, VM_SNAPSHOT, VOLUME, Usage
from projections.usage_spans import Span

quota_tariffs = table(QuotaTariff, indexed=("usage_type",))
quota_credits = table(QuotaCredit, indexed=("account_id", "domain_id"))

MONTH_MS = 30 * 24 * 3_600_000
GIB = 2**30
BY_SIZE = frozenset({VOLUME, TEMPLATE, ISO, SNAPSHOT, VM_SNAPSHOT})
EXACT_DIGITS = 60

Costs = dict[tuple[UUID, int], Decimal]


async def costs(
    cloud: Cloud, first_ms: int, last_ms: int, wanted: Callable[[UUID], bool] = lambda _: True
) -> Costs:
    """What the accounts used from one moment until before another, by account and kind of usage.

    `last_ms` is at most now: what goes on is charged up to then. All that there ever was may be
    read for it, so it is done in pieces.
    """
    tariffs: dict[int, list[QuotaTariff]] = defaultdict(list)
    for tariff in cloud[quota_tariffs]:
        tariffs[tariff.usage_type].append(tariff)
    found: Costs = defaultdict(Decimal)
    if not tariffs or last_ms <= first_ms:
        return found
    with localcontext() as exact:
        exact.prec = EXACT_DIGITS
        async for spans in cloud.view(Usage).between(first_ms, last_ms):
            for span in spans:
                if span.meter.kind in tariffs and wanted(span.account_id):
                    priced = _weighted(span, tariffs[span.meter.kind], first_ms, last_ms)
                    found[span.account_id, span.meter.kind] += priced
        return {key: weighted / MONTH_MS for key, weighted in found.items()}


def _weighted(span: Span, tariffs: Iterable[QuotaTariff], first_ms: int, last_ms: int) -> Decimal:
    """Price times units times milliseconds, of each tariff for as long as it counted."""
    begin, end = max(span.begin_ms, first_ms), min(span.end_ms or last_ms, last_ms)
    total = Decimal(0)
    for tariff in tariffs:
        took_ms = min(end, tariff.ends_at_ms or end) - max(begin, tariff.starts_at_ms)
        if took_ms > 0:
            total += tariff.price * took_ms
    size = span.meter.size_bytes or 0
    return total * size / GIB if span.meter.kind in BY_SIZE else total


def credited(cloud: Cloud, account_id: UUID, first_ms: int, last_ms: int) -> list[QuotaCredit]:
    """The credits of an account in a period, oldest first."""
    mine = cloud[quota_credits].by("account_id", account_id)
    inside = [one for one in mine if first_ms <= one.created_at_ms < last_ms]
    return sorted(inside, key=lambda one: (one.created_at_ms, str(one.id)))


async def balance(cloud: Cloud, account_id: UUID, at_ms: int) -> Decimal:
    """All credits until before a moment, less the cost of all usage until then."""
    spent = await costs(cloud, 0, at_ms, lambda one: one == account_id)
    given = (one.amount for one in credited(cloud, account_id, 0, at_ms))
    return sum(given, Decimal(0)) - sum(spent.values(), Decimal(0))


__all__ = [
    "BY_SIZE",
    "QuotaCredit",
    "QuotaTariff",
    "balance",
    "costs",
    "credited",
    "quota_credits",
    "quota_tariffs",
]
