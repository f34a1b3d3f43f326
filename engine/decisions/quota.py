"""Tariffs: one of a name counts at a time, and none is changed where it has counted already."""

from __future__ import annotations

from aggregates.errors import AlreadyExists, Invalid, NotAllowed
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.record import Proposed, claim, rule
from engine.intents.quota import EndTariff, ReplaceTariff
from engine.intents.record import CreateRecord, UpdateRecord
from projections.quota import QuotaTariff, quota_tariffs
from projections.usage import METERED_KINDS

KIND = "quota_tariff"


@rule(KIND)
def tariff_counts_once(one: Proposed, desk: Desk) -> None:
    """Its name is claimed, so that of two made at one moment the later sees the earlier."""
    if one["usage_type"] not in METERED_KINDS:
        raise Invalid(
            f"usagetype {one['usage_type']} is not metered here: see listUsageTypes",
            field="usagetype",
        )
    starts, ends = one["starts_at_ms"], one["ends_at_ms"] or 0
    if ends and ends <= starts and not one["removed_at_ms"]:
        raise Invalid("enddate must be after startdate", field="enddate")
    if not one.changes("name", "starts_at_ms", "ends_at_ms"):
        return
    known = {row.id: row for row in desk.cloud[quota_tariffs]}
    known |= {row.id: row for row in desk.draft.rows(quota_tariffs)}
    for row in known.values():
        _apart(one, row)
    if one.row is None:
        claim(KIND, {"name": one["name"]}, one.id, desk)


def _apart(one: Proposed, row: QuotaTariff) -> None:
    never = row.ends_at_ms == row.starts_at_ms
    if never or row.id == one.id or row.name.casefold() != one["name"].casefold():
        return
    begins_before = not row.ends_at_ms or one["starts_at_ms"] < row.ends_at_ms
    ends_after = not one["ends_at_ms"] or row.starts_at_ms < one["ends_at_ms"]
    if begins_before and ends_after:
        raise AlreadyExists(
            f"tariff {row.name} counts at that time already: update it, or choose another name"
        )


@decision
def end(ask: EndTariff, desk: Desk) -> None:
    tariff = desk.row(quota_tariffs, ask.id)
    if tariff.removed_at_ms:
        raise NotAllowed(f"tariff {tariff.name} has ended already")
    fields = {"removed_at_ms": ask.at_ms, "ends_at_ms": _sooner(tariff, ask.at_ms)}
    record.update(UpdateRecord(kind=KIND, id=tariff.id, fields=fields), desk)


@decision
def replace(ask: ReplaceTariff, desk: Desk) -> None:
    tariff, starts = desk.row(quota_tariffs, ask.id), ask.fields["starts_at_ms"]
    fields = {"removed_at_ms": starts, "ends_at_ms": _sooner(tariff, starts)}
    record.update(UpdateRecord(kind=KIND, id=tariff.id, fields=fields), desk)
    record.create(CreateRecord(kind=KIND, id=ask.new_id, fields=ask.fields), desk)


def _sooner(tariff: QuotaTariff, at_ms: int) -> int:
    """One that has not begun yet never counts: it ends where it begins."""
    end_ms = min(tariff.ends_at_ms or at_ms, at_ms)
    return max(end_ms, tariff.starts_at_ms)
