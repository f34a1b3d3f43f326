"""Instance groups: made by name at a deploy, renamed, and let go of without their guests."""

from __future__ import annotations

import asyncio

import pytest
from cs import CloudStackApiException

from tests.tenant.test_vm_life import DEPLOY, deploy
from tests.tenant.world import Place


async def test_a_group_is_made_when_a_guest_asks_for_it(here: Place) -> None:
    ann = here.ann
    vm = await deploy(ann, startvm="false", group="lab")
    seen = await ann.one("listInstanceGroups", "instancegroup")
    assert (vm["group"], vm["groupid"]) == ("lab", seen["id"])
    again = await deploy(ann, startvm="false", group="LAB")
    assert again["groupid"] == seen["id"]
    found = await ann("listVirtualMachines", groupid=seen["id"])
    assert {one["id"] for one in found["virtualmachine"]} == {vm["id"], again["id"]}

    renamed = await ann("updateInstanceGroup", id=seen["id"], name="works")
    assert renamed["instancegroup"]["name"] == "works"
    assert (await ann.one("listVirtualMachines", "virtualmachine", id=vm["id"]))["group"] == "works"
    with pytest.raises(CloudStackApiException):
        await here.bob("updateInstanceGroup", id=seen["id"], name="mine")
    await ann("updateVirtualMachine", id=again["id"], group="other")
    await ann("deleteInstanceGroup", id=seen["id"])
    assert "group" not in await ann.one("listVirtualMachines", "virtualmachine", id=vm["id"])
    kept = await ann.one("listVirtualMachines", "virtualmachine", id=again["id"])
    assert kept["group"] == "other"
    emptied = await ann("updateVirtualMachine", id=again["id"], group="")
    assert "group" not in emptied["virtualmachine"]


async def test_two_guests_that_make_one_group_share_it(here: Place) -> None:
    await deploy(here.ann, startvm="false")
    ask = DEPLOY | {"startvm": "false", "group": "new"}
    both = await asyncio.gather(*(here.ann("deployVirtualMachine", **ask) for _ in range(4)))
    seen = await here.ann.one("listInstanceGroups", "instancegroup")
    found = await here.ann("listVirtualMachines", groupid=seen["id"])
    assert {one["id"] for one in found["virtualmachine"]} == {one["id"] for one in both}
