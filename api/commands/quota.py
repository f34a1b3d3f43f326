"""Quotas: what accounts have paid and spent. Each sees its own, administrators those below them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from api.authz import governs
from api.commands.quota_tariff import check_enabled
from api.commands.vm_checks import refuse_later
from api.declare import Bound, Caller, Moment, Names, Page, Wire, command, date
from api.errors import InvalidValue
from api.lists import cut
from api.scope import named_account
from api.views.quota import (
    QuotaBalanceView,
    QuotaCreditView,
    QuotaEnabledView,
    QuotaSpentView,
    QuotaStatementView,
    QuotaSummaryView,
    QuotaUpdateView,
    currency,
    money,
    unit_of,
)
from api.views.usage import TYPES
from engine.intents.record import CreateRecord, Together
from engine.intents.setting import ChangeSetting
from projections.account import Account, accounts
from projections.domain import domains
from projections.quota import QuotaCredit, balance, costs, credited, quota_credits
from projections.setting import is_on

CREDIT_MAX = 1e12
Owner = Annotated[str, "the account"]
OwnersDomain = Annotated[UUID, "its domain", Names("domain", right="see")]
OwnerId = Annotated[
    UUID | None, "the account by its id, if it is given besides", Names("account", right="see")
]


def account_meant(
    caller: Caller, account: str, domain_id: UUID, account_id: UUID | None = None
) -> Account:
    """The account of a name, if the caller may speak for it."""
    check_enabled(caller)
    found = named_account(caller, account, domain_id)
    if account_id not in (None, found):
        raise InvalidValue(f"accountid {account_id} is not account {account}: leave one out")
    return caller.cloud[accounts][found]


def known_ms(caller: Caller) -> int:
    """Up to when usage is known: now, or for a cloud of the past up to then."""
    return caller.now_ms if caller.cloud is caller.engine.cloud else caller.cloud.at_ms


def only(account: Account) -> Callable[[UUID], bool]:
    return lambda one: one == account.id


@command(
    "quotaIsEnabled",
    returns=QuotaEnabledView,
    key="isenabled",
    allow="ARDU",
    since="4.7.0",
    reads=True,
)
class QuotaIsEnabled:
    """Say whether usage costs something here."""

    async def run(self, caller: Caller) -> QuotaEnabledView:
        return QuotaEnabledView(is_enabled=is_on(caller.cloud, "quota.enable.service"))


@command(
    "quotaUpdate",
    returns=QuotaUpdateView,
    key="quotacredits",
    allow="A",
    since="4.7.0",
    reads=True,
)
class QuotaUpdate:
    """Say up to when usage is charged: always up to now, as it follows from the log."""

    async def run(self, caller: Caller) -> QuotaUpdateView:
        check_enabled(caller)
        return QuotaUpdateView(updated_on=date(caller.now_ms))


@command(
    "quotaCredits",
    returns=QuotaCreditView,
    key="quotacredits",
    allow="A",
    since="4.7.0",
    action="QUOTA.CREDITS",
)
class GiveCredit:
    """Put an amount to an account's credit, or with a negative one take it away."""

    account: Owner
    domain_id: OwnersDomain
    value: Annotated[float, "how much", Bound(-CREDIT_MAX, CREDIT_MAX)]
    min_balance: Annotated[
        float | None, "not offered: nobody is told of a low balance", Wire(name="min_balance")
    ] = None
    quota_enforce: Annotated[
        bool | None,
        "whether the account is locked when it owes: its quota.enable.enforcement",
        Wire(name="quota_enforce"),
    ] = None

    async def run(self, caller: Caller) -> QuotaCredit:
        account = account_meant(caller, self.account, self.domain_id)
        refuse_later(self, ("min_balance",))
        row_id = caller.new_id()
        fields = {
            "account_id": account.id,
            "domain_id": account.domain_id,
            "value": str(self.value),
            "user_id": caller.user_id,
        }
        asks: list[object] = [CreateRecord(kind="quota_credit", id=row_id, fields=fields)]
        if self.quota_enforce is not None:
            change = ChangeSetting(
                id=caller.new_id(),
                name="quota.enable.enforcement",
                value="true" if self.quota_enforce else "false",
                scope="account",
                scope_id=account.id,
            )
            asks.append(change)
        await caller.decide(Together(asks=tuple(asks)))
        return caller.cloud[quota_credits][row_id]


@command(
    "quotaCreditsList",
    returns=QuotaCreditView,
    key="credit",
    shape="list",
    allow="A",
    since="4.21.0",
    reads=True,
)
class ListCredits:
    """List what was put to the credit of accounts."""

    account_id: OwnerId = None
    domain_id: Annotated[UUID | None, "of this domain", Names("domain", right="see")] = None
    is_recursive: Annotated[bool | None, "also of the domains below it"] = None
    start_date: Annotated[Moment | None, "since then"] = None
    end_date: Annotated[Moment | None, "until then"] = None

    async def run(self, caller: Caller) -> Page:
        check_enabled(caller)
        cloud, until = caller.cloud, self.end_date
        inside = self._domains(caller)
        found = [
            row
            for row in cloud[quota_credits]
            if self.account_id in (None, row.account_id)
            and (inside is None or row.domain_id in inside)
            and (self.start_date or 0) <= row.created_at_ms
            and (until is None or row.created_at_ms <= until)
        ]
        return Page(len(found), cut(found, None, None, caller))

    def _domains(self, caller: Caller) -> set[UUID] | None:
        top = caller.cloud[domains].get(self.domain_id)
        if top is None:
            return None
        if not self.is_recursive:
            return {top.id}
        below = top.path.rstrip("/") + "/"
        return {top.id} | {one.id for one in caller.cloud[domains] if one.path.startswith(below)}


@command(
    "quotaStatement",
    returns=QuotaStatementView,
    key="statement",
    allow="ARDU",
    since="4.7.0",
    reads=True,
)
class QuotaStatement:
    """Say what an account has spent in a period, by kinds of usage."""

    account: Owner
    domain_id: OwnersDomain
    start_date: Annotated[Moment, "the beginning of the period"]
    end_date: Annotated[Moment, "its end"]
    type: Annotated[int | None, "only this kind of usage, see listUsageTypes"] = None
    account_id: OwnerId = None

    async def run(self, caller: Caller) -> QuotaStatementView:
        account = account_meant(caller, self.account, self.domain_id, self.account_id)
        if self.start_date >= self.end_date:
            raise InvalidValue("startdate must be before enddate")
        last_ms, cloud = min(self.end_date, known_ms(caller)), caller.cloud
        found = await costs(cloud, self.start_date, last_ms, only(account))
        spent = {kind: amount for (_, kind), amount in found.items() if self.type in (None, kind)}
        return QuotaStatementView(
            account=account.name,
            domain_id=account.domain_id,
            quota_usage=[
                QuotaSpentView(
                    type=kind, name=TYPES[kind][0], unit=unit_of(kind), quota=money(amount)
                )
                for kind, amount in sorted(spent.items())
            ],
            total_quota=money(sum(spent.values(), Decimal(0))),
            start_date=date(self.start_date),
            end_date=date(self.end_date),
            currency=currency(cloud),
        )


@command(
    "quotaBalance",
    returns=QuotaBalanceView,
    key="balance",
    allow="ARDU",
    since="4.7.0",
    reads=True,
)
class QuotaBalance:
    """Say what an account had at two moments, and what was put to its credit between them."""

    account: Owner
    domain_id: OwnersDomain
    start_date: Annotated[Moment | None, "the first; the account's beginning if omitted"] = None
    end_date: Annotated[Moment | None, "the second; now if omitted"] = None
    account_id: OwnerId = None

    async def run(self, caller: Caller) -> QuotaBalanceView:
        account = account_meant(caller, self.account, self.domain_id, self.account_id)
        cloud, now_ms = caller.cloud, known_ms(caller)
        last_ms = now_ms if self.end_date is None else min(self.end_date, now_ms)
        first_ms = account.created_at_ms if self.start_date is None else self.start_date
        if first_ms > last_ms:
            raise InvalidValue("startdate must be before enddate, and not in the future")
        return QuotaBalanceView(
            account=account.name,
            domain_id=account.domain_id,
            start_quota=money(await balance(cloud, account.id, first_ms)),
            end_quota=money(await balance(cloud, account.id, last_ms)),
            credits=[
                QuotaCreditView.of(one, cloud)
                for one in credited(cloud, account.id, first_ms, last_ms)
            ],
            start_date=date(first_ms),
            end_date=date(last_ms),
            currency=currency(cloud),
        )


@command(
    "quotaSummary",
    returns=QuotaSummaryView,
    key="summary",
    shape="list",
    allow="ARDU",
    since="4.7.0",
    reads=True,
)
class QuotaSummary:
    """List how accounts stand: the caller's own, or with listall all that it governs."""

    account: Annotated[str | None, "the account of this name; the domain is given too"] = None
    domain_id: Annotated[UUID | None, "accounts of this domain", Names("domain", right="see")] = (
        None
    )
    list_all: Annotated[bool | None, "all accounts that the caller governs"] = None
    keyword: Annotated[str | None, "text that the account's name contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        check_enabled(caller)
        found = sorted(self._found(caller), key=lambda one: (one.name.casefold(), str(one.id)))
        rows = cut(found, self.page, self.page_size, caller)
        ids, now_ms, cloud = {row.id for row in rows}, known_ms(caller), caller.cloud
        since_ms = _month_ms(now_ms)
        ever = await costs(cloud, 0, now_ms, ids.__contains__)
        lately = await costs(cloud, since_ms, now_ms, ids.__contains__)

        def shown(row: Account) -> QuotaSummaryView:
            given = (one.amount for one in credited(cloud, row.id, 0, now_ms))
            spent = [sum(of.values(), Decimal(0)) for of in (_of(ever, row), _of(lately, row))]
            return QuotaSummaryView(
                account_id=row.id,
                account=row.name,
                domain_id=row.domain_id,
                domain=cloud[domains][row.domain_id].path,
                balance=money(sum(given, Decimal(0)) - spent[0]),
                quota=money(spent[1]),
                state=str(row.state),
                start_date=date(since_ms),
                end_date=date(now_ms),
                currency=currency(cloud),
                quota_enabled=True,
            )

        return Page(len(found), [shown(row) for row in rows])

    def _found(self, caller: Caller) -> list[Account]:
        table, who = caller.cloud[accounts], caller.identity
        if self.account is not None:
            return [table[named_account(caller, self.account, self.domain_id)]]
        word = (self.keyword or "").casefold()
        if self.domain_id is None and not self.list_all:
            rows = [table[who.account_id]]
        else:
            rows = [
                row
                for row in table
                if self.domain_id in (None, row.domain_id)
                and (row.id == who.account_id or governs(who, caller.cloud, row.domain_id))
            ]
        return [row for row in rows if word in row.name.casefold()]


def _of(found: dict[tuple[UUID, int], Decimal], row: Account) -> dict[int, Decimal]:
    return {kind: amount for (account_id, kind), amount in found.items() if account_id == row.id}


def _month_ms(at_ms: int) -> int:
    """When the month of a moment began."""
    day = datetime.fromtimestamp(at_ms / 1000, UTC)
    first = day.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int(first.timestamp() * 1000)
