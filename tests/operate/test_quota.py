"""What usage costs follows from the log and from the tariffs that counted at the time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from cs import CloudStackApiException

from aggregates.record import RECORDS
from aggregates.vm import VmStarted, VmStopped
from api.fields import date
from engine.chores.quota import lock_who_owes
from projections.cloud import Cloud
from projections.quota import balance, costs, quota_tariffs
from projections.usage import RUNNING_VM, VOLUME
from tests.operate.test_settings import change, refused
from tests.tenant.test_limits import domain_admin
from tests.tenant.test_usage import ANN, HOUR_MS, NEW_YEAR_MS, Told, guest, volume
from tests.tenant.world import CUSTOM_DISK, ZONE, Client, Place, named

GIB = 2**30
MONTH_H = 720


class Priced(Told):
    """A cloud that is told lives and prices at chosen hours after the new year."""

    def tariff(self, hour: float, name: str, kind: int, value: str, ends: float = 0) -> UUID:
        made = RECORDS["quota_tariff"].create(
            {
                "name": name,
                "usage_type": kind,
                "value": value,
                "starts_at_ms": NEW_YEAR_MS + int(hour * HOUR_MS),
                "ends_at_ms": NEW_YEAR_MS + int(ends * HOUR_MS) if ends else 0,
            }
        )
        self.at(0, named(f"tariff {name}"), made)
        return named(f"tariff {name}")

    async def spent(self, first: float, last: float) -> dict[int, Decimal]:
        since_ms, until_ms = (NEW_YEAR_MS + int(hour * HOUR_MS) for hour in (first, last))
        found = await costs(self.cloud, since_ms, until_ms)
        return {kind: amount for (_, kind), amount in found.items()}


async def test_a_price_is_for_a_unit_and_a_month_while_it_counts() -> None:
    told, disk = Priced(), named("disk")
    told.tariff(0, "cheap", VOLUME, "0.5", ends=100)
    told.tariff(100, "dear", VOLUME, "2", ends=0)
    told.at(10, disk, volume(36 * GIB))
    assert await told.spent(0, 10) in ({}, {VOLUME: 0})
    assert await told.spent(0, 110) == {VOLUME: 36 * (90 * Decimal("0.5") + 10 * 2) / MONTH_H}
    assert await told.spent(100, 110) == {VOLUME: Decimal(1)}
    parts = [(await told.spent(first, first + 10))[VOLUME] for first in range(10, 110, 10)]
    assert sum(parts) == (await told.spent(10, 110))[VOLUME], "a period costs what its parts cost"


async def test_a_period_costs_the_same_whenever_it_is_asked_for() -> None:
    told, vm = Priced(), named("vm")
    told.tariff(0, "guests", RUNNING_VM, "7.2")
    told.at(0, vm, guest())
    told.at(5, vm, VmStarted(host_id=named("host"), hold=vm))
    before = await told.spent(0, 20)
    assert before == {RUNNING_VM: Decimal("7.2") * 15 / MONTH_H}
    told.at(50, vm, VmStopped())
    ended = RECORDS["quota_tariff"]
    row = told.cloud[quota_tariffs][named("tariff guests")]
    changed = ended.update(row, {"ends_at_ms": NEW_YEAR_MS + 60 * HOUR_MS, "removed_at_ms": 1})
    assert changed is not None
    told.at(60, row.id, changed)
    assert await told.spent(0, 20) == before
    again = Cloud.load(told.cloud.save())
    found = await costs(again, NEW_YEAR_MS, NEW_YEAR_MS + 20 * HOUR_MS)
    assert {kind: amount for (_, kind), amount in found.items()} == before
    assert list(found) == [(ANN, RUNNING_VM)]
    assert await balance(again, ANN, NEW_YEAR_MS + 20 * HOUR_MS) == -before[RUNNING_VM]


def today(here: Place) -> dict[str, str]:
    now_ms = here.controller.cloud.at_ms
    return {
        "startdate": str(date(now_ms - 3_600_000)),
        "enddate": str(date(now_ms + 3_600_000)),
    }


async def enabled(here: Place) -> None:
    await change(here.admin, "quota.enable.service", "true")


async def tariff(who: Client, **asked: Any) -> dict[str, Any]:
    usual = {"name": "disks", "usagetype": 6, "value": 3_000_000}
    return dict((await who("quotaTariffCreate", **usual | asked))["quotatariff"])


ANNS = {"account": "ann", "domainid": str(named("domain ann"))}
BOBS = {"account": "bob", "domainid": str(named("domain bob"))}


async def test_nothing_costs_anything_until_it_is_enabled(here: Place) -> None:
    assert (await here.ann("quotaIsEnabled"))["isenabled"] == {"isenabled": False}
    await refused(here.admin, "quotaTariffCreate", "quota.enable.service",
                  name="x", usagetype=6, value=1)  # fmt: skip
    await refused(here.ann, "quotaSummary", "quota.enable.service")
    await enabled(here)
    assert (await here.ann("quotaIsEnabled"))["isenabled"] == {"isenabled": True}


async def test_who_uses_pays_and_sees_it(here: Place) -> None:
    await enabled(here)
    made = await tariff(here.admin)
    assert (made["tariffValue"], made["usageUnit"], made["usageName"]) == (
        3_000_000, "GB-Month", "VOLUME",
    )  # fmt: skip
    await here.admin("quotaCredits", value=100, **ANNS)
    disk = {"zoneid": str(ZONE), "diskofferingid": CUSTOM_DISK, "size": 4, "name": "his"}
    await here.ann.job("createVolume", **disk)
    await here.bob("listZones")
    when = today(here)
    found = (await here.ann("quotaStatement", **ANNS, **when))["statement"]
    (item,) = found["quotausage"]
    assert item["name"] == "VOLUME" and item["quota"] == found["totalquota"] > 0
    stands = (await here.ann("quotaBalance", **ANNS))["balance"]
    assert stands["startquota"] == 0 and stands["endquota"] < 100
    assert [one["credit"] for one in stands["credits"]] == [100]
    assert stands["credits"][0]["creditorusername"] == "admin"
    (mine,) = (await here.ann("quotaSummary"))["summary"]
    assert mine["account"] == "ann" and 0 < mine["quota"] and mine["balance"] < 100
    (his,) = (await here.bob("quotaSummary"))["summary"]
    assert (his["account"], his["balance"], his["quota"]) == ("bob", 0, 0)
    everybody = (await here.admin("quotaSummary", listall="true"))["summary"]
    assert {"ann", "bob"} <= {row["account"] for row in everybody}
    credits = await here.admin("quotaCreditsList", domainid=ANNS["domainid"])
    assert [one["credit"] for one in credits["credit"]] == [100]
    await refused(here.admin, "removeRawUsageRecords", "balances", interval=1)


async def test_nobody_sees_what_others_spend(here: Place) -> None:
    await enabled(here)
    boss = await domain_admin(here, str(named("domain ann")))
    await boss("quotaStatement", **ANNS, **today(here))
    for who in (here.ann, boss):
        for command, more in (("quotaStatement", today(here)), ("quotaBalance", {})):
            with pytest.raises(CloudStackApiException):
                await who(command, **BOBS, **more)
        with pytest.raises(CloudStackApiException):
            await who("quotaSummary", **BOBS)
        with pytest.raises(CloudStackApiException):
            await who("quotaCredits", value=5, **ANNS)
    listed = (await boss("quotaSummary", listall="true"))["summary"]
    assert {row["account"] for row in listed} == {"ann", "boss"}
    (mine,) = (await here.ann("quotaSummary", listall="true"))["summary"]
    assert mine["account"] == "ann"


async def test_a_tariff_is_replaced_and_ended_but_never_changed_for_the_past(here: Place) -> None:
    await enabled(here)
    first = await tariff(here.admin)
    with pytest.raises(CloudStackApiException, match="counts at that time already"):
        await tariff(here.admin, name="DISKS")
    past = {"name": "old", "startdate": "2026-01-01"}
    with pytest.raises(CloudStackApiException, match="in the past"):
        await tariff(here.admin, **past)
    with pytest.raises(CloudStackApiException, match="not metered"):
        await tariff(here.admin, name="bytes", usagetype=4)
    with pytest.raises(CloudStackApiException, match="activationrule"):
        await tariff(here.admin, name="rule", activationrule="true")
    told = await here.admin("quotaTariffUpdate", name="disks", description="of ours")
    assert told["quotatariff"]["id"] == first["id"]
    second = (await here.admin("quotaTariffUpdate", name="disks", value=9))["quotatariff"]
    assert second["id"] != first["id"] and second["tariffValue"] == 9
    listed = (await here.ann("quotaTariffList"))["quotatariff"]
    assert [row["id"] for row in listed] == [second["id"]]
    (gone,) = (await here.ann("quotaTariffList", listonlyremoved="true"))["quotatariff"]
    assert gone["id"] == first["id"] and gone["endDate"] == second["effectiveDate"]
    await here.admin("quotaTariffDelete", id=second["id"])
    assert await here.ann("quotaTariffList") == {}
    with pytest.raises(CloudStackApiException, match="ended already"):
        await here.admin("quotaTariffDelete", id=second["id"])
    await tariff(here.admin)


async def test_an_account_that_owes_is_locked_where_that_is_wanted(here: Place) -> None:
    await enabled(here)
    await tariff(here.admin)
    disk = {"zoneid": str(ZONE), "diskofferingid": CUSTOM_DISK, "size": 4}
    for who in (here.ann, here.bob):
        await who.job("createVolume", name="d", **disk)
    await here.admin("quotaCredits", value=1, quota_enforce="true", **ANNS)
    await here.admin("quotaCredits", value=1, **BOBS)
    engine, hours = here.controller.engine, 10 * HOUR_MS
    await lock_who_owes(engine, here.controller.cloud.at_ms)
    listed = {"name": "ann", "listall": "true"}
    assert (await here.admin.one("listAccounts", "account", **listed))["state"] == "enabled"
    await lock_who_owes(engine, here.controller.cloud.at_ms + hours)
    states = {
        name: (await here.admin.one("listAccounts", "account", name=name, listall="true"))["state"]
        for name in ("ann", "bob")
    }
    assert states == {"ann": "locked", "bob": "enabled"}
    with pytest.raises(CloudStackApiException):
        await here.ann.job("createVolume", name="e", **disk)
    events = (await here.admin("listEvents", type="ACCOUNT.LOCK", listall="true"))["event"]
    assert len(events) == 1
