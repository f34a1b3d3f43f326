"""Usage follows from the log: the same for a period whenever it is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import pytest
from cs import CloudStackApiException

from aggregates.base import Event, Recorded
from aggregates.vm import VmCreated, VmDestroyed, VmStarted, VmStopped
from aggregates.volume import VolumeCreated, VolumeReady, VolumeRemoved, VolumeResized
from api.caller import Caller, Identity
from api.commands.usage import DAY_MS
from api.declare import REGISTRY
from api.fields import date
from api.parse import moment
from engine.history import History
from engine.intents import By
from projections.cloud import Cloud
from projections.usage import Usage
from sagastack.boot import controller, load_nouns
from sagastack.settings import Settings
from tests.tenant.test_limits import domain_admin
from tests.tenant.world import CUSTOM_DISK, SMALL, TEMPLATE, ZONE, Client, named, place

HOUR_MS = 3_600_000
NEW_YEAR_MS = moment("2026-01-01")
ANN, HOME = named("account ann"), named("domain ann")


class Told:
    """A cloud that is told events at chosen hours after the new year."""

    def __init__(self) -> None:
        load_nouns()
        self.cloud = Cloud()
        self.versions: dict[UUID, int] = {}

    def at(self, hour: float, stream: UUID, event: Event) -> None:
        version = self.versions[stream] = self.versions.get(stream, 0) + 1
        at_ms = NEW_YEAR_MS + int(hour * HOUR_MS)
        position = self.cloud.position + 1
        told = Recorded(position=position, stream=stream, version=version, at_ms=at_ms, event=event)
        self.cloud.fold([told])

    async def records(
        self,
        first: str,
        last: str,
        *,
        cloud: Cloud | None = None,
        now: str = "2026-12-01",
        **of: Any,
    ) -> list[dict[str, Any]]:
        shown = cloud or self.cloud
        root = Identity(UUID(int=1), UUID(int=2), UUID(int=3), "Admin")
        engine: Any = SimpleNamespace(cloud=shown)
        caller = Caller(root, engine, shown, moment(now), By(), lambda: UUID(int=4))
        asked = REGISTRY["listUsageRecords"].cls(
            start_date=moment(first), end_date=moment(last, end_of_day=True), **of
        )
        page = await asked.run(caller)
        assert page.count == len(page.items) or "page" in of
        found: list[dict[str, Any]] = msgspec.to_builtins(page.items)
        return found


def volume(size: int) -> VolumeCreated:
    return VolumeCreated(
        name="data", account_id=ANN, domain_id=HOME, zone_id=ZONE, kind="DATADISK",
        size_bytes=size, offering_id=UUID(CUSTOM_DISK), template_id=None, vm_id=None, device=None,
        is_displayed=True,
    )  # fmt: skip


def guest() -> VmCreated:
    return VmCreated(
        name="web", display_name="web", account_id=ANN, domain_id=HOME, user_id=None,
        zone_id=ZONE, template_id=UUID(TEMPLATE), service_offering_id=UUID(SMALL),
        hypervisor="KVM", cpu_count=2, cpu_mhz=500, memory_mib=512, instance_name="i",
        user_data="", key_pairs=[], host_tags=[], details={}, is_displayed=True, nics=[],
    )  # fmt: skip


def hours(found: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row.get(name) for name in names) for row in found]


async def test_a_life_is_cut_into_days_and_where_something_changed() -> None:
    told, disk = Told(), named("disk")
    told.at(18, disk, volume(10))
    told.at(19, disk, VolumeReady(pool_id=named("pool"), path="p", size_bytes=10, hold=disk))
    told.at(30.5, disk, VolumeResized(size_bytes=20, hold=None))
    told.at(49, disk, VolumeRemoved())
    found = await told.records("2026-01-01", "2026-01-05", type=6)
    assert hours(found, "startdate", "rawusage", "usage", "size") == [
        ("2026-01-01T00:00:00+0000", "6", "6 Hrs", 10),
        ("2026-01-02T00:00:00+0000", "6.5", "6.5 Hrs", 10),
        ("2026-01-02T00:00:00+0000", "17.5", "17.5 Hrs", 20),
        ("2026-01-03T00:00:00+0000", "1", "1 Hrs", 20),
    ]
    assert found[0]["enddate"] == "2026-01-01T23:59:59+0000"
    assert found[0]["offeringid"] == CUSTOM_DISK and found[0]["usageid"] == str(disk)
    (noon,) = await told.records("2026-01-02 12:00:00", "2026-01-02 18:00:00", type=6)
    assert (noon["rawusage"], noon["startdate"]) == ("6", "2026-01-02T12:00:00+0000")


async def test_a_guest_is_allocated_and_while_it_runs_running() -> None:
    told, vm = Told(), named("vm")
    told.at(0, vm, guest())
    for hour in (1, 5):
        told.at(hour, vm, VmStarted(host_id=named("host"), hold=vm))
        told.at(hour + 2, vm, VmStopped())
    told.at(10, vm, VmDestroyed())
    found = await told.records("2026-01-01", "2026-01-31")
    assert hours(found, "usagetype", "rawusage", "cpunumber", "memory", "type") == [
        (1, "4", 2, 512, "KVM"),
        (2, "10", 2, 512, "KVM"),
    ]
    assert found[0]["virtualmachineid"] == str(vm)
    assert found[0]["description"].startswith("web running time")


async def test_pages_follow_one_another_across_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.commands.usage.SORTED_AT_ONCE", 2)
    told = Told()
    for number in range(5):
        told.at(number, named(f"disk {number}"), volume(number + 1))
    days = "2026-01-01", "2026-01-03"
    whole = await told.records(*days)
    assert len(whole) == 15
    for size in (1, 4, 5, 7, 15, 16):
        pages = [await told.records(*days, page=n, page_size=size) for n in range(1, 17)]
        assert [one for page in pages for one in page] == whole


async def test_what_goes_on_is_told_up_to_now() -> None:
    told, disk = Told(), named("disk")
    told.at(0, disk, volume(10))
    (part,) = await told.records("2026-01-01", "2026-02-01", now="2026-01-01 03:00:00")
    assert part["rawusage"] == "3"


async def test_a_period_is_the_same_whenever_it_is_asked_for_and_from_a_checkpoint() -> None:
    told, vm, disk = Told(), named("vm"), named("disk")
    told.at(0, vm, guest())
    told.at(2, disk, volume(10))
    told.at(3, vm, VmStarted(host_id=named("host"), hold=vm))
    before = await told.records("2026-01-01", "2026-01-03", now="2026-01-04")
    saved = told.cloud.save()
    told.at(100, vm, VmStopped())
    told.at(101, disk, VolumeRemoved())
    assert await told.records("2026-01-01", "2026-01-03", now="2027-01-04") == before
    restored = Cloud.load(saved)
    assert restored.view(Usage).encode() == Cloud.load(restored.save()).view(Usage).encode()
    again = await told.records("2026-01-01", "2026-01-03", cloud=restored, now="2026-01-04")
    assert msgspec.json.encode(again) == msgspec.json.encode(before)


async def records(who: Client, **asked: Any) -> list[dict[str, Any]]:
    today = {"startdate": asked.pop("since"), "enddate": asked.pop("until")}
    return list((await who("listUsageRecords", **today, **asked)).get("usagerecord", []))


async def test_on_the_wire_each_sees_what_it_governs_and_the_same_after_a_start(
    tmp_path: Path,
) -> None:
    async with place(tmp_path) as here:
        now_ms = here.controller.cloud.at_ms
        since, until = (_day(now_ms + days * DAY_MS) for days in (-1, 1))
        when = {"since": since, "until": until}
        asked = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
        vm = (await here.ann.job("deployVirtualMachine", **asked))["virtualmachine"]
        disk = {"zoneid": str(ZONE), "diskofferingid": CUSTOM_DISK, "size": 1, "name": "his"}
        await here.bob.job("createVolume", **disk)
        await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
        boss = await domain_admin(here, str(named("domain ann")))
        found = await records(boss, **when)
        assert {row["account"] for row in found} == {"ann"}
        assert {row["usagetype"] for row in found} == {1, 2, 6, 13, 30}
        (one,) = await records(boss, type=1, usageid=vm["id"], includetags="true", **when)
        assert one["rawusage"].startswith("0.00") and one["offeringid"] == SMALL
        everybody = await records(here.admin, **when)
        assert {row["account"] for row in everybody} >= {"ann", "bob"}
        mine = {"account": "bob", "domainid": str(named("domain bob"))}
        assert {row["usagetype"] for row in await records(here.admin, **mine, **when)} == {6}
        for wrong in (mine, {"domainid": mine["domainid"]}, {"type": 99}, {"usageid": vm["id"]}):
            with pytest.raises(CloudStackApiException):
                await records(boss, **wrong, **when)
        with pytest.raises(CloudStackApiException):
            await records(here.ann, **when)
        with pytest.raises(CloudStackApiException):
            await records(here.admin, since=until, until=since)
        assert (await here.admin("generateUsageRecords"))["success"] in (True, "true")
        ended = [row for row in found if row["usagetype"] in (1, 2, 6, 13)]
        rebuilt = await History(here.controller.log, tmp_path / "none").latest()
        assert rebuilt.digest() == here.controller.cloud.digest()
    async with place_again(tmp_path) as admin:
        ours = {"account": "ann", "domainid": str(named("domain ann"))}
        after = [row for row in await records(admin, **ours, **when) if row["usagetype"] != 30]
        assert after == ended
        await admin("removeRawUsageRecords", interval=1)
        assert await records(admin, type=1, **ours, **when) != []
        await admin("updateConfiguration", name="enable.usage.server", value="false")
        with pytest.raises(CloudStackApiException):
            await records(admin, **when)


@asynccontextmanager
async def place_again(home: Path) -> AsyncIterator[Client]:
    """The same cloud after a start."""
    async with controller(Settings(home=home, port=0)) as running:
        found = await running.credentials()
        assert found is not None
        yield Client(running.endpoint, found.api_key, found.secret_key)


def _day(at_ms: int) -> str:
    return str(date(at_ms))[:10]
