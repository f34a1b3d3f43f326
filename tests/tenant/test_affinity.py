"""Affinity groups decide where guests run: when they are deployed, started and moved."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cs import CloudStackApiException

from projections.vm import vms
from tests.tenant.test_vm_life import DEPLOY, deploy
from tests.tenant.world import Client, Place


async def group(client: Client, kind: str, name: str = "g") -> str:
    made = await client.job("createAffinityGroup", name=name, type=kind, description="why")
    return str(made["affinitygroup"]["id"])


async def host_of(here: Place, vm_id: str) -> str:
    seen = await here.admin.one("listVirtualMachines", "virtualmachine", id=vm_id)
    return str(seen["hostname"])


async def test_the_life_of_a_group(here: Place) -> None:
    ann = here.ann
    types = await ann("listAffinityGroupTypes")
    assert {one["type"] for one in types["affinityGroupType"]} == {
        "host anti-affinity", "host affinity",
        "non-strict host anti-affinity", "non-strict host affinity",
    }  # fmt: skip
    group_id = await group(ann, "Host Anti-Affinity")
    seen = await ann.one("listAffinityGroups", "affinitygroup", name="g")
    assert (seen["id"], seen["type"], seen["virtualmachineIds"]) == (
        group_id, "host anti-affinity", [],
    )  # fmt: skip
    with pytest.raises(CloudStackApiException, match="already exists"):
        await ann.job("createAffinityGroup", name="g", type="host affinity")
    with pytest.raises(CloudStackApiException, match="must be one of"):
        await ann.job("createAffinityGroup", name="h", type="no such")
    vm = await deploy(ann, affinitygroupnames="g")
    assert vm["affinitygroup"] == [
        {"id": group_id, "name": "g", "description": "why", "type": "host anti-affinity"}
    ]
    seen = await ann.one("listAffinityGroups", "affinitygroup", virtualmachineid=vm["id"])
    assert seen["virtualmachineIds"] == [vm["id"]]
    listed = await ann.one("listVirtualMachines", "virtualmachine", affinitygroupid=group_id)
    assert listed["id"] == vm["id"]
    with pytest.raises(CloudStackApiException):  # to bob, ann's group does not exist
        await deploy(here.bob, affinitygroupids=group_id)
    with pytest.raises(CloudStackApiException, match="another account"):
        await deploy(here.admin, affinitygroupids=group_id)
    await ann.job("deleteAffinityGroup", name="g")
    seen = await ann.one("listVirtualMachines", "virtualmachine", id=vm["id"])
    assert (seen["affinitygroup"], seen["state"]) == ([], "Running")


@pytest.mark.parametrize("few", [0, 256], ids=["of many guests", "of few"])
async def test_apart_means_apart_and_the_refusal_says_why(
    here: Place, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("projections.table.FEW", few)
    group_id = await group(here.ann, "host anti-affinity")
    first, second = [await deploy(here.ann, affinitygroupids=group_id) for _ in range(2)]
    assert await host_of(here, first["id"]) != await host_of(here, second["id"])
    with pytest.raises(CloudStackApiException, match=r"affinity group g .*keeps it away from"):
        await deploy(here.ann, affinitygroupids=group_id)
    host_rule = r"no host has room .*tenant-h1: must be avoided for this guest"
    with pytest.raises(CloudStackApiException, match=host_rule):
        await deploy(here.ann, affinitygroupids=group_id)
    # Where a member was does not count once it is stopped; where it starts again does.
    await here.ann.job("stopVirtualMachine", id=first["id"])
    third = await deploy(here.ann, affinitygroupids=group_id)
    assert await host_of(here, third["id"]) != await host_of(here, second["id"])
    with pytest.raises(CloudStackApiException, match="keeps it away from"):
        await here.ann.job("startVirtualMachine", id=first["id"])


async def test_two_deployed_at_one_moment_are_apart(here: Place) -> None:
    """Neither knows of the other when it is placed; the log lets one of them in at a time."""
    group_id = await group(here.ann, "host anti-affinity")
    await deploy(here.ann)  # the account's network is there; nothing but the placement races
    both = await asyncio.gather(
        *(here.ann("deployVirtualMachine", **DEPLOY, affinitygroupids=group_id) for _ in range(2))
    )
    await asyncio.gather(*(here.ann.ended(one["jobid"]) for one in both))
    found = [await host_of(here, one["id"]) for one in both]
    assert len(set(found)) == 2, found


async def test_together_means_together(here: Place) -> None:
    group_id = await group(here.ann, "host affinity")
    filler = await deploy(here.ann, details=[{"cpuNumber": 1}])
    first = await deploy(here.ann, affinitygroupids=group_id)
    await here.ann.job("destroyVirtualMachine", id=filler["id"])
    more = [await deploy(here.ann, affinitygroupids=group_id) for _ in range(3)]
    home = await host_of(here, first["id"])
    assert {await host_of(here, one["id"]) for one in more} == {home}


async def test_a_wish_is_heeded_and_does_not_refuse(here: Place) -> None:
    group_id = await group(here.ann, "non-strict host anti-affinity")
    made = [await deploy(here.ann, affinitygroupids=group_id) for _ in range(3)]
    found = [await host_of(here, one["id"]) for one in made]
    assert found[0] != found[1]
    assert len(set(found)) == 2


async def test_a_placement_explains_the_group(here: Place) -> None:
    group_id = await group(here.ann, "host anti-affinity")
    first = await deploy(here.ann, affinitygroupids=group_id)
    ask = {key: DEPLOY[key] for key in ("zoneid", "serviceofferingid")}
    told = (await here.admin("explainPlacement", **ask, affinitygroupids=group_id))["placement"]
    taken = await host_of(here, first["id"])
    assert told["affinity"] == [f"affinity group g (host anti-affinity) keeps it away from {taken}"]
    assert told["suitable"] is True and told["hostname"] != taken
    assert told["counts"]["avoided"] == 1


async def test_a_move_heeds_the_group_too(here: Place) -> None:
    group_id = await group(here.ann, "host anti-affinity")
    first, _ = [await deploy(here.ann, affinitygroupids=group_id) for _ in range(2)]
    with pytest.raises(CloudStackApiException, match="avoid"):
        await here.admin.job("migrateVirtualMachine", virtualmachineid=first["id"])


async def test_membership_changes_while_it_is_stopped(here: Place) -> None:
    one = await group(here.ann, "host anti-affinity", "one")
    await group(here.ann, "host affinity", "two")
    vm = await deploy(here.ann, affinitygroupids=one)
    with pytest.raises(CloudStackApiException, match="stop it"):
        await here.ann.job("updateVMAffinityGroup", id=vm["id"], affinitygroupnames="two")
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    told: Any = await here.ann.job("updateVMAffinityGroup", id=vm["id"], affinitygroupnames="two")
    assert [g["name"] for g in told["virtualmachine"]["affinitygroup"]] == ["two"]
    await here.ann.job("updateVMAffinityGroup", id=vm["id"], affinitygroupids="")
    (row,) = here.controller.cloud[vms]
    assert row.affinity_group_ids == ()
