"""Tags: on everything that there is, found by them, gone with their things, never on others'."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cs import CloudStackApiException

from engine.history import History
from projections.tag import tags
from projections.volume import volumes
from tests.tenant.world import CUSTOM_DISK, SMALL, TEMPLATE, ZONE, Client, place


async def volume(who: Client, name: str) -> str:
    asked = {"zoneid": str(ZONE), "diskofferingid": CUSTOM_DISK, "size": 1, "name": name}
    return str((await who.job("createVolume", **asked))["volume"]["id"])


async def put(who: Client, kind: str, things: list[str], **pairs: str) -> Any:
    wanted = [{"key": key, "value": value} for key, value in pairs.items()]
    return await who.job("createTags", resourceids=things, resourcetype=kind, tags=wanted)


async def of(who: Client, thing: str) -> dict[str, str]:
    shown = (await who.one("listVolumes", "volume", id=thing))["tags"]
    return {tag["key"]: tag["value"] for tag in shown}


async def test_tags_are_put_found_and_taken(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        one, two, three = [await volume(here.ann, name) for name in ("a", "b", "c")]
        assert (await put(here.ann, "Volume", [one, two], env="prod", tier="1"))["success"]
        await put(here.ann, "volume", [three], env="test")
        assert await of(here.ann, one) == {"env": "prod", "tier": "1"}
        found = await here.ann("listVolumes", tags=[{"key": "env", "value": "prod"}])
        assert {row["id"] for row in found["volume"]} == {one, two}
        both = [{"key": "env", "value": "test"}, {"key": "tier", "value": "1"}]
        assert (await here.ann("listVolumes", tags=both))["count"] == 3
        assert await here.ann("listVolumes", tags=[{"key": "env", "value": "none"}]) == {}
        shown = (await here.ann("listTags", resourceid=one, key="env"))["tag"]
        assert [(t["resourcetype"], t["value"], t["account"]) for t in shown] == [
            ("Volume", "prod", "ann")
        ]
        assert await here.bob("listTags", resourceid=one) == {}
        assert await here.bob("listTags", listall="true") == {}
        with pytest.raises(CloudStackApiException) as raised:
            await put(here.ann, "Volume", [three], ENV="again")
        assert "already on" in raised.value.error["errortext"]
        wrong = {"resourceids": one, "resourcetype": "Volume", "tags[0].key": "env"}
        with pytest.raises(CloudStackApiException):
            await here.ann.job("deleteTags", **wrong, **{"tags[0].value": "other"})
        await here.ann.job("deleteTags", **wrong)
        assert await of(here.ann, one) == {"tier": "1"}
        await here.ann.job("deleteTags", resourceids=one, resourcetype="Volume")
        assert await of(here.ann, one) == {}


async def test_one_bad_id_among_good_ones_and_nothing_is_done(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        mine, theirs = await volume(here.ann, "a"), await volume(here.bob, "b")
        before = here.controller.cloud.position
        for bad in (theirs, str(uuid4()), "no-id", str(ZONE)):
            for command, more in (
                ("createTags", {"tags": [{"key": "k", "value": "v"}]}),
                ("deleteTags", {}),
            ):
                with pytest.raises(CloudStackApiException) as raised:
                    things = [mine, bad]
                    await here.ann(command, resourceids=things, resourcetype="Volume", **more)
                assert "entity does not exist" in raised.value.error["errortext"]
        for kind, things in (("UserVm", [mine]), ("Nothing", [mine]), ("Zone", [str(ZONE)])):
            with pytest.raises(CloudStackApiException):
                await put(here.ann, kind, things, k="v")
        many = {f"k{number}": "v" for number in range(51)}
        for pairs in ({"k": ""}, {"k": "v" * 256}, {"k" * 256: "v"}, many):
            with pytest.raises(CloudStackApiException):
                await put(here.ann, "Volume", [mine], **pairs)
        assert here.controller.cloud.position == before


async def test_a_thing_takes_its_tags_with_it(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        asked = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
        vm = (await here.ann.job("deployVirtualMachine", **asked))["virtualmachine"]
        await put(here.ann, "UserVm", [vm["id"]], a="1")
        await put(here.ann, "Network", [vm["nic"][0]["networkid"]], b="2")
        await put(here.admin, "Zone", [str(ZONE)], c="3")
        shown = await here.ann.one("listVirtualMachines", "virtualmachine", id=vm["id"])
        assert [(tag["key"], tag["value"]) for tag in shown["tags"]] == [("a", "1")]
        await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
        left = (await here.admin("listTags", listall="true"))["tag"]
        assert sorted(tag["key"] for tag in left) == ["b", "c"]
        assert len(here.controller.cloud[tags]) == 2
        rebuilt = await History(here.controller.log, tmp_path / "none").latest()
        assert rebuilt.digest() == here.controller.cloud.digest()


async def test_a_list_by_tag_looks_at_what_carries_it_and_at_nothing_else(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        made = [await volume(here.ann, f"v{number}") for number in range(12)]
        await put(here.ann, "Volume", made, env="prod")
        await put(here.ann, "Volume", made[:2], tier="1")
        table, looked = here.controller.cloud[volumes], list[UUID]()
        glance = table.glance

        def watched(number: int) -> Any:
            looked.append(UUID(int=number))
            return glance(number)

        table.glance = watched  # type: ignore[method-assign]
        wanted = [{"key": "tier", "value": "1"}]
        for who in (here.admin, here.ann):
            looked.clear()
            found = await who("listVolumes", listall="true", tags=wanted)
            assert {row["id"] for row in found["volume"]} == set(made[:2])
            assert {str(row_id) for row_id in looked} == set(made[:2])
