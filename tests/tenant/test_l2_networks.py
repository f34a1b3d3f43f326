"""L2 networks of several tenants on the same wires: each keeps apart by a VLAN of its own."""

from __future__ import annotations

from typing import Any

from engine.genesis import stable_id
from tests.tenant.test_refusals import refusal
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import WIRES, ZONE, Client, Place

L2, L2_VLAN = (
    str(stable_id("network_offering", f"DefaultL2NetworkOffering{more}")) for more in ("", "Vlan")
)


async def make(client: Client, name: str, offering: str = L2, **more: Any) -> Any:
    asked = {"zoneid": str(ZONE), "networkofferingid": offering, "name": name} | more
    return (await client("createNetwork", **asked))["network"]


async def vlan_of(here: Place, network: Any) -> str | None:
    found = await here.admin.one("listNetworks", "network", id=network["id"], listall=True)
    vlan: str | None = found.get("vlan")
    return vlan


async def wires(here: Place, vlan: str) -> None:
    await here.admin.job("updatePhysicalNetwork", id=str(WIRES), vlan=vlan)


async def test_two_tenants_are_kept_apart(here: Place) -> None:
    first, second = await make(here.ann, "mine"), await make(here.bob, "mine")
    assert "vlan" not in first, "tenants are not told"
    tags = [await vlan_of(here, one) for one in (first, second)]
    assert all(tag is not None and 100 <= int(tag) <= 119 for tag in tags)
    assert len(set(tags)) == 2
    vm = await deploy(here.ann, networkids=first["id"])
    assert "ipaddress" not in vm["nic"][0]


async def test_no_vlan_is_given_twice_and_what_is_freed_is_given_again(here: Place) -> None:
    await wires(here, "100-101")
    first = await make(here.ann, "first")
    await make(here.bob, "second")
    error = await refusal(
        here.ann, "createNetwork", zoneid=str(ZONE), networkofferingid=L2, name="third"
    )
    assert "no VLAN is left for network third" in error["errortext"]
    assert "updatePhysicalNetwork vlan=" in error["errortext"]
    assert (await here.ann("listNetworks"))["count"] == 1
    freed = await vlan_of(here, first)
    await here.ann.job("deleteNetwork", id=first["id"])
    assert await vlan_of(here, await make(here.bob, "third")) == freed


async def test_the_end_of_a_domain_frees_its_vlans(here: Place) -> None:
    await wires(here, "100")
    freed = await vlan_of(here, await make(here.ann, "hers"))
    domain = (await here.admin.one("listAccounts", "account", id=here.account("ann")))["domainid"]
    await here.admin.job("deleteDomain", id=domain, cleanup=True)
    assert await vlan_of(here, await make(here.bob, "his")) == freed == "100"


async def test_wires_without_vlans_have_one_untagged_network_for_all(here: Place) -> None:
    await wires(here, "")
    assert await vlan_of(here, await make(here.ann, "plain")) is None


async def test_who_chooses_the_vlan_names_it(here: Place) -> None:
    where = {"zoneid": str(ZONE), "networkofferingid": L2_VLAN, "name": "chosen"}
    error = await refusal(here.ann, "createNetwork", **where)
    assert "choose an offering whose networks get one by themselves" in error["errortext"]
    error = await refusal(here.admin, "createNetwork", **where)
    assert "say vlan=NUMBER, or vlan=untagged" in error["errortext"]
    assert await vlan_of(here, await make(here.admin, "tagged", L2_VLAN, vlan="105")) == "105"
    error = await refusal(here.admin, "createNetwork", **where, vlan="105")
    assert "choose another" in error["errortext"]
    assert await vlan_of(here, await make(here.admin, "plain", L2_VLAN, vlan="untagged")) is None
    assert await vlan_of(here, await make(here.ann, "mine")) != "105"
