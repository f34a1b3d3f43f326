"""Tariffs and credits, and accounts that are locked when they have used up what they paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.intents.quota import EndTariff, ReplaceTariff
from engine.intents.record import CreateRecord
from engine.intents.setting import ChangeSetting
from engine.intents.usage import ForgetUsage
from projections.account import accounts
from projections.quota import quota_tariffs
from projections.usage import ALLOCATED_VM, IP_ADDRESS, NETWORK, RUNNING_VM, SNAPSHOT, VOLUME
from tests.sim.wishes import wish

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

PRICED = (RUNNING_VM, ALLOCATED_VM, IP_ADDRESS, VOLUME, SNAPSHOT, NETWORK)
SWITCHES = ("quota.enable.service", "quota.enable.enforcement")


def _tariff(who: Tenants, kind: int, name: str) -> dict[str, Any]:
    starts_ms = who.now_ms() + who.pick(0, 0, 20_000)
    return {
        "name": name, "usage_type": kind, "value": who.pick("0.1", "40", "100000"),
        "starts_at_ms": starts_ms, "ends_at_ms": who.pick(0, 0, starts_ms + 30_000),
    }  # fmt: skip


@wish(2, operator=True)
def create_tariff(who: Tenants) -> object | None:
    fields = _tariff(who, who.pick(*PRICED), who.pick("cheap", "dear", "fair"))
    return CreateRecord(kind="quota_tariff", id=who.new_id(), fields=fields)


@wish(1, operator=True)
def replace_tariff(who: Tenants) -> object | None:
    tariff = who.one(quota_tariffs, lambda one: not one.removed_at_ms)
    return tariff and ReplaceTariff(
        id=tariff.id, new_id=who.new_id(), fields=_tariff(who, tariff.usage_type, tariff.name)
    )


@wish(1, operator=True)
def end_tariff(who: Tenants) -> object | None:
    tariff = who.one(quota_tariffs, lambda one: not one.removed_at_ms)
    return tariff and EndTariff(id=tariff.id, at_ms=who.now_ms())


@wish(2, operator=True)
def add_credit(who: Tenants) -> object | None:
    row = who.one(accounts)
    fields = row and {
        "account_id": row.id, "domain_id": row.domain_id, "value": who.pick("10", "-5", "0.001"),
    }  # fmt: skip
    return fields and CreateRecord(kind="quota_credit", id=who.new_id(), fields=fields)


@wish(2, operator=True)
def switch_quota(who: Tenants) -> object | None:
    return ChangeSetting(
        id=who.new_id(), name=who.pick(*SWITCHES), value=who.pick("true", "true", "false")
    )


@wish(1, operator=True)
def forget_usage(who: Tenants) -> object | None:
    return ForgetUsage(id=who.new_id(), before_ms=who.now_ms() - 60_000)
