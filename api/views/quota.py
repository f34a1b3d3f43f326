"""Tariffs, credits and what was spent, as the wire shows them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec

from api.declare import Cloud, Date, View, date, view
from api.views.usage import TYPES
from projections.quota import BY_SIZE, QuotaCredit, QuotaTariff
from projections.setting import value_of
from projections.usage import ALLOCATED_VM, IP_ADDRESS, RUNNING_VM
from projections.user import users

DIGITS = 6


def money(amount: Decimal) -> float:
    """An amount as clients read it: a number of at most six digits behind the point."""
    return float(round(amount, DIGITS))


def currency(cloud: Cloud) -> str:
    return value_of(cloud, "quota.currency.symbol")


def unit_of(kind: int) -> str:
    """What the price of a kind of usage is for."""
    if kind in (RUNNING_VM, ALLOCATED_VM):
        return "Compute-Month"
    if kind == IP_ADDRESS:
        return "IP-Month"
    return "GB-Month" if kind in BY_SIZE else "Policy-Month"


@view
class QuotaEnabledView(View, kw_only=True):
    is_enabled: Annotated[bool, "whether usage costs something here"]


@view
class QuotaTariffView(View, kw_only=True):
    """The price of a kind of usage for some time."""

    id: Annotated[UUID, "the tariff"]
    name: Annotated[str, "its name"]
    description: Annotated[str | None, "what it is for"] = None
    usage_type: Annotated[int, "what it is the price of, see listUsageTypes"] = msgspec.field(
        name="usageType"
    )
    usage_name: Annotated[str, "the name of that"] = msgspec.field(name="usageName")
    usage_unit: Annotated[str, "what the price is for"] = msgspec.field(name="usageUnit")
    usage_type_description: Annotated[str, "the kind of usage in words"] = msgspec.field(
        name="usageTypeDescription"
    )
    tariff_value: Annotated[float, "the price of a unit"] = msgspec.field(name="tariffValue")
    effective_date: Annotated[Date, "from when on it counts"] = msgspec.field(name="effectiveDate")
    end_date: Annotated[Date | None, "until when it counts"] = msgspec.field(
        name="endDate", default=None
    )
    removed: Annotated[Date | None, "when it was ended or replaced"] = None
    position: Annotated[int, "its place among those of its kind"]
    currency: Annotated[str, "the currency"]

    @classmethod
    def of(cls, row: QuotaTariff, cloud: Cloud) -> QuotaTariffView:
        name, text = TYPES[row.usage_type]
        return cls(
            id=row.id,
            name=row.name,
            description=row.description or None,
            usage_type=row.usage_type,
            usage_name=name,
            usage_unit=unit_of(row.usage_type),
            usage_type_description=text,
            tariff_value=float(row.price),
            effective_date=date(row.starts_at_ms),
            end_date=date(row.ends_at_ms or None),
            removed=date(row.removed_at_ms or None),
            position=row.position,
            currency=currency(cloud),
        )


@view
class QuotaCreditView(View, kw_only=True):
    """What was put to an account's credit."""

    credit: Annotated[float, "how much; negative if it was taken away"]
    credited_on: Annotated[Date, "when"]
    creditor_user_id: Annotated[UUID | None, "who did it"] = None
    creditor_username: Annotated[str | None, "the name of that user"] = None
    currency: Annotated[str, "the currency"]

    @classmethod
    def of(cls, row: QuotaCredit, cloud: Cloud) -> QuotaCreditView:
        user = cloud[users].get(row.user_id)
        return cls(
            credit=money(row.amount),
            credited_on=date(row.created_at_ms),
            creditor_user_id=row.user_id,
            creditor_username=None if user is None else user.name,
            currency=currency(cloud),
        )


@view
class QuotaSpentView(View, kw_only=True):
    """What one kind of usage has cost."""

    type: Annotated[int, "the kind, see listUsageTypes"]
    name: Annotated[str, "its name"]
    unit: Annotated[str, "what the price is for"]
    quota: Annotated[float, "what it has cost"]


@view
class QuotaStatementView(View, kw_only=True):
    """What an account has spent in a period."""

    account: Annotated[str, "the account"]
    domain_id: Annotated[UUID, "its domain"]
    quota_usage: Annotated[list[QuotaSpentView], "what each kind of usage has cost"]
    total_quota: Annotated[float, "what all of it has cost"]
    start_date: Annotated[Date, "the beginning of the period"]
    end_date: Annotated[Date, "its end"]
    currency: Annotated[str, "the currency"]


@view
class QuotaBalanceView(View, kw_only=True):
    """What an account had at two moments, and what was put to its credit between them."""

    account: Annotated[str, "the account"]
    domain_id: Annotated[UUID, "its domain"]
    start_quota: Annotated[float, "the balance at the beginning"]
    end_quota: Annotated[float, "the balance at the end"]
    credits: Annotated[list[QuotaCreditView], "what was put to its credit"]
    start_date: Annotated[Date, "the beginning"]
    end_date: Annotated[Date, "the end"]
    currency: Annotated[str, "the currency"]


@view
class QuotaSummaryView(View, kw_only=True):
    """How an account stands."""

    account_id: Annotated[UUID, "the account"]
    account: Annotated[str, "its name"]
    domain_id: Annotated[UUID, "its domain"]
    domain: Annotated[str, "the path of that"]
    balance: Annotated[float, "its credits less what it has spent"]
    quota: Annotated[float, "what it has spent this month"]
    state: Annotated[str, "the state of the account"]
    start_date: Annotated[Date, "the beginning of the month"]
    end_date: Annotated[Date, "now"]
    currency: Annotated[str, "the currency"]
    quota_enabled: Annotated[bool, "whether its usage costs something"]


@view
class QuotaUpdateView(View, kw_only=True):
    updated_on: Annotated[Date, "up to when usage is charged: now"] = msgspec.field(
        name="updated_on"
    )
