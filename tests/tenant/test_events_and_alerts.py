"""Events and alerts are put away by those whose they are, and the log keeps them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cs import CloudStackApiException

from engine.history import History
from tests.tenant.world import ZONE, Client, place


async def events(who: Client, **asked: Any) -> list[dict[str, Any]]:
    return list((await who("listEvents", **asked)).get("event", []))


async def test_events_are_archived_and_deleted_by_those_whose_they_are(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        for name in ("one", "two", "three"):
            await here.ann("createSSHKeyPair", name=name)
        await here.bob("createSSHKeyPair", name="his")
        mine = [one["id"] for one in await events(here.ann)]
        assert len(mine) == 3
        (his,) = await events(here.bob)
        before = here.controller.cloud.position
        for bad in (his["id"], str(uuid4())):
            for command in ("archiveEvents", "deleteEvents"):
                with pytest.raises(CloudStackApiException) as raised:
                    await here.ann(command, ids=[mine[0], bad])
                assert "there is no event" in raised.value.error["errortext"]
        for nothing in ({}, {"startdate": "2020-01-01"}):
            with pytest.raises(CloudStackApiException):
                await here.ann("archiveEvents", **nothing)
        assert here.controller.cloud.position == before
        await here.ann("archiveEvents", ids=[mine[0]])
        assert mine[0] not in [one["id"] for one in await events(here.ann)]
        (kept,) = await events(here.ann, archived="true")
        assert (kept["id"], kept["archived"]) == (mine[0], True)
        await here.ann("deleteEvents", ids=mine[:2])
        assert await events(here.ann, archived="true") == []
        left = [one["id"] for one in await events(here.ann, type="REGISTER.SSH.KEYPAIR")]
        assert left == mine[2:]
        await here.ann("deleteEvents", type="register.ssh.keypair", enddate="2099-01-01")
        assert await events(here.ann, type="REGISTER.SSH.KEYPAIR") == []
        assert await events(here.bob) == [his]
        told = [one["type"] for one in await events(here.ann)]
        assert told == ["EVENT.DELETE", "EVENT.DELETE", "EVENT.ARCHIVE"]
        rebuilt = await History(here.controller.log, tmp_path / "none").latest()
        assert rebuilt.digest() == here.controller.cloud.digest()


async def test_alerts_are_said_found_and_put_away(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        types = (await here.admin("listAlertTypes"))["alerttype"]
        assert {"alerttypeid": 7, "name": "ALERT.COMPUTE.HOST"} in types
        said = {"name": "smoke", "description": "it smells", "type": 7, "zoneid": str(ZONE)}
        for _ in range(3):
            assert (await here.admin.job("generateAlert", **said))["success"]
        with pytest.raises(CloudStackApiException):
            await here.admin("generateAlert", **said | {"type": 999})
        with pytest.raises(CloudStackApiException):
            await here.ann("generateAlert", **said)
        found = (await here.admin("listAlerts", type=7, name="SMOKE"))["alert"]
        assert len(found) == 3 and found[0]["description"] == "it smells"
        assert await here.admin("listAlerts", type=8) == {}
        first, second, third = (one["id"] for one in found)
        await here.admin("archiveAlerts", ids=[first])
        await here.admin("deleteAlerts", ids=[second])
        assert [one["id"] for one in (await here.admin("listAlerts"))["alert"]] == [third]
        with pytest.raises(CloudStackApiException):
            await here.admin("deleteAlerts", ids=[third, str(uuid4())])
        await here.admin("deleteAlerts", type="ALERT.COMPUTE.HOST", enddate="2099-01-01")
        assert await here.admin("listAlerts") == {}
