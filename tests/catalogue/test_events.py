"""Events: everything that was asked for is told, to those whom it concerns, and kept in bounds."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Recorded
from aggregates.domain import Domain
from aggregates.record import RECORDS
from projections import event_list
from projections.event_list import EventList
from tests.catalogue.controller import Controller
from tests.catalogue.server import Api
from tests.catalogue.test_identity import _account


async def _events(api: Api, **asked: Any) -> list[dict[str, Any]]:
    return list((await api("listEvents", **asked)).get("event", []))


async def test_a_decision_is_one_event(api: Api) -> None:
    domain = (await api("createDomain", name="d"))["domain"]
    newest = (await _events(api))[0]
    assert newest["type"] == "DOMAIN.CREATE" and newest["state"] == "Completed"
    assert newest["username"] == "admin" and newest["level"] == "INFO"
    assert (newest["resourceid"], newest["resourcename"]) == (domain["id"], "d")
    assert await _events(api, id=newest["id"]) == [newest]
    assert await _events(api, resourceid=domain["id"]) == [newest]


async def test_a_job_is_begun_and_ended(api: Api) -> None:
    family = (await api("listOsCategories"))["oscategory"][0]
    await api.job("addGuestOs", oscategoryid=family["id"], osdisplayname="X")
    ended, begun = (await _events(api, type="guest.os.add"))[:2]
    assert (begun["state"], ended["state"]) == ("Started", "Completed")
    assert ended["parentid"] == begun["id"]
    assert await _events(api, startid=begun["id"]) == [ended, begun]


async def test_a_failure_says_why(api: Api) -> None:
    await api(
        "registerTemplate", name="x", hypervisor="KVM", format="RAW", url="file:///no/such/file"
    )
    for _ in range(100):
        if found := await _events(api, level="ERROR"):
            break
        await asyncio.sleep(0.02)
    assert "there is no file /no/such/file" in found[0]["description"]
    assert found[0]["type"] == "TEMPLATE.CREATE"


async def test_a_tenant_sees_its_own_events(api: Api) -> None:
    account, tenant = await _account(api, "t")
    assert await _events(tenant, listall=True) == []
    await tenant("createSSHKeyPair", name="k")
    mine = await _events(tenant, listall=True)
    assert [one["type"] for one in mine] == ["REGISTER.SSH.KEYPAIR"]
    assert mine[0] in await _events(api, listall=True)
    assert mine[0] not in await _events(api)
    theirs = await _events(api, account="t", domainid=account["domainid"])
    assert theirs == mine


async def test_filters_by_time_and_words(api: Api) -> None:
    await api("createDomain", name="d")
    assert await _events(api, startdate="2020-01-01", enddate="2020-01-02") == []
    assert len(await _events(api, startdate="2020-01-01")) == 1
    assert len(await _events(api, entrytime=600)) == 1
    assert await _events(api, entrytime=600, duration=300) == []
    assert len(await _events(api, keyword="domain.create")) == 1
    assert await _events(api, keyword="nothing like it") == []


async def test_the_types_are_those_of_the_commands(api: Api) -> None:
    names = [one["name"] for one in (await api("listEventTypes"))["eventtype"]]
    assert {"ACCOUNT.CREATE", "TEMPLATE.CREATE", "REGISTER.USER.KEY"} <= set(names)


async def test_rebuild_equals_live(api: Api, controller: Controller) -> None:
    family = (await api("listOsCategories"))["oscategory"][0]
    await api.job("addGuestOs", oscategoryid=family["id"], osdisplayname="X")
    rebuilt = await controller.history.rebuild()
    assert rebuilt.digest() == controller.engine.cloud.digest()
    restored = EventList()
    restored.restore(rebuilt.view(EventList).encode())
    assert list(restored.latest()) == list(controller.engine.cloud.view(EventList).latest())


def test_only_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_list, "KEPT", 3)
    events = EventList()
    made = RECORDS[Domain.KIND].create({"name": "d", "path": "/d", "level": 1})
    for position in range(1, 10):
        events.acted(
            Recorded(
                position=position,
                stream=UUID(int=position),
                version=1,
                at_ms=position,
                action="DOMAIN.CREATE",
                event=made,
            )
        )
    assert [one.position for one in events.latest()] == [9, 8, 7]
