"""Accounts that owe are locked, where settings say so: what they have runs on, nothing is added."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from uuid import UUID

from msgspec.structs import replace

from aggregates.errors import DomainError
from engine.chores.chore import BY, chore
from engine.engine import Engine
from engine.intents.account import SetAccountState
from projections.account import accounts
from projections.cloud import Cloud
from projections.quota import costs, quota_credits
from projections.setting import is_on, wider


@chore(every_s=300)
async def lock_who_owes(engine: Engine, now_ms: int) -> None:
    """An administrator enables an account again: whether it has paid by then is seen here."""
    cloud = engine.cloud
    if not is_on(cloud, "quota.enable.service"):
        return
    for account_id, owed in (await _owed(cloud, now_ms)).items():
        account = cloud[accounts].get(account_id)
        if owed <= 0 or account is None or account.state != "enabled":
            continue
        if is_on(cloud, "quota.enable.enforcement", *wider(cloud, "account", account_id)):
            ask = SetAccountState(account_id=account_id, state="locked")
            try:
                await engine.decide(ask, replace(BY, action="ACCOUNT.LOCK"))
            except DomainError:
                continue  # One that may not be locked, or was changed at this very moment.


async def _owed(cloud: Cloud, now_ms: int) -> dict[UUID, Decimal]:
    """What each account has spent beyond its credits, in one look at all usage."""
    owed: dict[UUID, Decimal] = defaultdict(Decimal)
    for (account_id, _), amount in (await costs(cloud, 0, now_ms)).items():
        owed[account_id] += amount
    for credit in cloud[quota_credits]:
        owed[credit.account_id] -= credit.amount
    return owed
