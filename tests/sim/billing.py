"""That what was used is what there was, that it is paid for once, and that who owes is locked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

from engine.chores.quota import lock_who_owes
from engine.engine import Engine
from engine.people import KEPT
from projections.account import accounts
from projections.cloud import Cloud
from projections.quota import balance, costs
from projections.setting import is_on
from projections.usage import METERED, Usage
from projections.usage_spans import Going, Span, owner_of

ALIKE = Decimal("1e-20")


async def holds(engine: Engine, now_ms: int) -> None:
    """`now_ms` may lie before the log's own time, which never goes back."""
    cloud = engine.cloud
    now_ms = max(now_ms, cloud.at_ms) + 1
    spans = [one async for some in cloud.view(Usage).between(0, now_ms) for one in some]
    _goes_on(cloud, [one for one in spans if not one.end_ms])
    _once(spans)
    for middle_ms in {one.begin_ms for one in spans[:: max(len(spans) // 5, 1)]}:
        await _adds_up(cloud, middle_ms, now_ms)
    await _who_owes_is_locked(engine, now_ms)


def _goes_on(cloud: Cloud, going: Iterable[Span]) -> None:
    """What goes on is what the rows are metered as now."""
    known = [
        Going(owner_of(row.account_id, row.domain_id, getattr(row, "zone_id", None)), *each, 0)
        .span(row.id)
        for kind, meters in METERED.items()
        for row in cloud.table(kind)
        if row.account_id is not None
        for each in meters(row, cloud)
    ]  # fmt: skip
    told = sorted(str(_still(one)) for one in going)
    there = sorted(str(_still(one)) for one in known)
    apart = [one for one in told if one not in there], [one for one in there if one not in told]
    assert told == there, f"usage goes on of what is not so, or the reverse: {apart}"


def _still(one: Span) -> tuple[object, ...]:
    """A span but for when it began. Where a thing is, is told of when it began too."""
    return one.thing_id, one.account_id, one.meter


def _once(spans: Iterable[Span]) -> None:
    """Nothing is metered twice at one time as one kind of thing."""
    lives: dict[tuple[object, ...], list[Span]] = defaultdict(list)
    for one in spans:
        assert not one.end_ms or one.begin_ms < one.end_ms, f"a span without a length: {one}"
        lives[one.thing_id, one.meter.kind, one.meter.about].append(one)
    for life in lives.values():
        life.sort(key=lambda one: one.begin_ms)
        for before, after in pairwise(life):
            apart = before.end_ms and before.end_ms <= after.begin_ms
            assert apart, f"metered twice at one time: {before} and {after}"


async def _adds_up(cloud: Cloud, middle_ms: int, now_ms: int) -> None:
    """A period costs what its parts cost."""
    whole: dict[tuple[UUID, int], Decimal] = await costs(cloud, 0, now_ms)
    parts: dict[tuple[UUID, int], Decimal] = defaultdict(Decimal)
    for part in (await costs(cloud, 0, middle_ms), await costs(cloud, middle_ms, now_ms)):
        for key, amount in part.items():
            parts[key] += amount
    for key, amount in whole.items():
        assert abs(amount - parts[key]) < ALIKE * max(1, abs(amount)), f"{key} costs otherwise"


async def _who_owes_is_locked(engine: Engine, now_ms: int) -> None:
    cloud = engine.cloud
    await lock_who_owes(engine, now_ms)
    if not is_on(cloud, "quota.enable.service") or not is_on(cloud, "quota.enable.enforcement"):
        return
    for row in cloud[accounts]:
        if row.state == "enabled" and row.id not in KEPT and row.role_type != "Project":
            left = await balance(cloud, row.id, now_ms)
            assert left >= 0, f"account {row.name} owes {left} and is enabled"
