"""Places that are kept for somebody: others never get there, and their owner goes there first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tenant.test_refusals import refusal
from tests.tenant.world import MAIN, POD, SMALL, TEMPLATE, ZONE, Client, Place, named

DEPLOY = {"zoneid": str(ZONE), "templateid": TEMPLATE, "serviceofferingid": SMALL}
H1, H2 = (str(named(f"host {n}")) for n in (1, 2))


async def host_of(here: Place, who: Client, **more: Any) -> str:
    vm = (await who.job("deployVirtualMachine", **DEPLOY, **more))["virtualmachine"]
    row = await here.admin.one("listVirtualMachines", "virtualmachine", id=vm["id"])
    return str(row["hostid"])


async def dedicate(here: Place, noun: str, place_id: str, name: str, *, account: bool) -> Any:
    who = {"domainid": str(named(f"domain {name}"))} | ({"account": name} if account else {})
    return await here.admin.job(f"dedicate{noun.title()}", **{f"{noun}id": place_id}, **who)


@pytest.mark.parametrize("account", [True, False])
async def test_others_are_never_placed_there(here: Place, account: bool) -> None:
    await dedicate(here, "host", H2, "bob", account=account)
    assert [await host_of(here, here.ann) for _ in range(3)] == [H1, H1, H1]
    assert await host_of(here, here.bob) == H2, "its owner goes there first"
    listed = await here.admin.one("listDedicatedHosts", "dedicatedhost")
    assert (listed["hostid"], listed["hostname"]) == (H2, "tenant-h2")
    assert ("accountid" in listed) is account
    told = await refusal(here.admin, "dedicateHost", hostid=H2, domainid=str(named("domain ann")))
    assert "dedicated already" in told["errortext"]


async def test_not_by_name_nor_by_moving(here: Place) -> None:
    await dedicate(here, "host", H2, "bob", account=True)
    domain = str(named("domain ann"))
    told = await refusal(
        here.admin, "deployVirtualMachine", hostid=H2, account="ann", domainid=domain, **DEPLOY
    )
    assert told["errorcode"] == 533
    vm = (await here.ann.job("deployVirtualMachine", **DEPLOY))["virtualmachine"]
    for ask in ({"hostid": H2}, {}):
        told = await refusal(here.admin, "migrateVirtualMachine", virtualmachineid=vm["id"], **ask)
        assert told["errorcode"] in (530, 533), told
    await here.admin.job("releaseDedicatedHost", hostid=H2)
    await here.admin.job("migrateVirtualMachine", virtualmachineid=vm["id"], hostid=H2)
    assert await here.admin("listDedicatedHosts") == {}


async def test_what_others_use_cannot_be_dedicated(here: Place) -> None:
    assert await host_of(here, here.ann) == H1
    domain = str(named("domain bob"))
    for command, place in (
        ("dedicateHost", {"hostid": H1}),
        ("dedicateCluster", {"clusterid": str(MAIN)}),
        ("dedicatePod", {"podid": str(POD)}),
        ("dedicateZone", {"zoneid": str(ZONE)}),
    ):
        told = await refusal(here.admin, command, domainid=domain, **place)
        assert told["errorcode"] == 536 and "account ann" in told["errortext"], command


@pytest.mark.parametrize("noun", ["cluster", "pod", "zone"])
async def test_a_wider_place_is_kept_too(here: Place, noun: str) -> None:
    place_id = str({"cluster": MAIN, "pod": POD, "zone": ZONE}[noun])
    made = await dedicate(here, noun, place_id, "bob", account=False)
    assert made[f"dedicated{noun}"][f"{noun}id"] == place_id
    told = await refusal(here.ann, "deployVirtualMachine", **DEPLOY)
    assert told["errorcode"] in (431, 533), told
    assert await host_of(here, here.bob) in (H1, H2)
    listed = await here.admin.one(f"listDedicated{noun.title()}s", f"dedicated{noun}")
    assert listed["domainid"] == str(named("domain bob"))
    for who in (here.ann, here.bob):
        told = await refusal(who, f"listDedicated{noun.title()}s")
        assert told["errorcode"] == 432


async def test_a_dedication_goes_with_its_owner(here: Place) -> None:
    await dedicate(here, "host", H2, "bob", account=True)
    await dedicate(here, "host", H1, "ann", account=False)
    await here.admin.job("deleteAccount", id=here.account("bob"))
    await here.admin.job("deleteDomain", id=str(named("domain ann")), cleanup=True)
    assert await here.admin("listDedicatedHosts") == {}
