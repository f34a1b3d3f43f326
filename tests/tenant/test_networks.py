"""Guest networks as tenants and administrators use them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.commands import vm_networks
from tests.tenant.test_refusals import refusal
from tests.tenant.test_vm_life import DEPLOY, deploy
from tests.tenant.world import ISOLATED, SHARED, ZONE, Client, Place, named

WHERE = {"zoneid": str(ZONE), "networkofferingid": ISOLATED}
RANGE = {
    "gateway": "10.9.0.1",
    "netmask": "255.255.255.0",
    "startip": "10.9.0.10",
    "endip": "10.9.0.19",
}


async def make(client: Client, **more: Any) -> Any:
    return (await client("createNetwork", **(WHERE | more)))["network"]


async def share(here: Place, **more: Any) -> Any:
    asked = {"name": "open", "networkofferingid": SHARED, "vlan": "119"} | RANGE | more
    return await make(here.admin, **asked)


async def test_from_creation_to_deletion(here: Place) -> None:
    ann = here.ann
    network = await make(ann, name="inner", gateway="10.7.0.1", netmask="255.255.0.0")
    assert (network["type"], network["state"]) == ("Isolated", "Allocated")
    assert (network["cidr"], network["acltype"]) == ("10.7.0.0/16", "Account")
    assert "vlan" not in network and "broadcasturi" not in network
    services = {one["name"]: one["provider"] for one in network["service"]}
    assert services["SourceNat"] == [{"name": "VirtualRouter"}]
    by_admin = await here.admin.one("listNetworks", "network", id=network["id"])
    assert by_admin["broadcasturi"] == f"vlan://{by_admin['vlan']}"
    assert 100 <= int(by_admin["vlan"]) <= 119

    renamed = await ann.job("updateNetwork", id=network["id"], name="outer", displaytext="Out")
    assert renamed["network"]["name"] == "outer"
    unnamed = await ann.job("updateNetwork", id=network["id"], name=" ")
    assert unnamed["network"]["name"] == "outer"
    wanted = {"iptonetworklist": [{"networkid": network["id"], "ip": "10.7.0.77"}]}
    vm = await deploy(ann, **wanted)
    assert vm["nic"][0]["ipaddress"] == "10.7.0.77"
    assert vm["nic"][0]["networkname"] == "outer"
    used = await ann.one("listNetworks", "network", id=network["id"])
    assert used["state"] == "Implemented"
    error = await refusal(ann, "deleteNetwork", id=network["id"])
    assert (error["errorcode"], "in use by virtual machine" in error["errortext"]) == (536, True)

    await ann.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    assert await ann.job("deleteNetwork", id=network["id"]) == {"success": True}
    assert await ann("listNetworks") == {}


async def test_the_first_guest_makes_its_network(here: Place) -> None:
    first = await deploy(here.ann, startvm="false")
    network = await here.ann.one("listNetworks", "network")
    assert network["name"] == "ann-network"
    second = await deploy(here.ann, startvm="false")
    assert {vm["nic"][0]["networkid"] for vm in (first, second)} == {network["id"]}
    await make(here.ann, name="another")
    error = await refusal(here.ann, "deployVirtualMachine", **DEPLOY)
    assert "more than one network fits (ann-network, another)" in error["errortext"]


async def test_a_guest_that_is_refused_leaves_no_network_and_no_group(here: Place) -> None:
    owner = {"domainid": str(named("domain ann")), "account": "ann"}
    await here.admin("updateResourceLimit", resourcetype=0, max=0, **owner)
    error = await refusal(here.ann, "deployVirtualMachine", **DEPLOY, group="mine")
    assert "Maximum amount of" in error["errortext"]
    assert await here.ann("listNetworks") == {}
    assert await here.ann("listInstanceGroups") == {}
    await here.admin("updateResourceLimit", resourcetype=0, max=1, **owner)
    vm = await deploy(here.ann, startvm="false", group="mine")
    assert (vm["group"], vm["nic"][0]["networkname"]) == ("mine", "ann-network")


async def test_first_guests_deployed_at_once_share_one_network(here: Place) -> None:
    made = await asyncio.gather(*(deploy(here.ann, startvm="false") for _ in range(4)))
    network = await here.ann.one("listNetworks", "network")
    assert {vm["nic"][0]["networkid"] for vm in made} == {network["id"]}
    assert len({vm["nic"][0]["ipaddress"] for vm in made}) == 4


class NoTurns(dict[Any, asyncio.Lock]):
    """Nobody waits for anybody, as at two controllers."""

    def setdefault(self, key: Any, default: Any = None) -> Any:
        return default


async def test_first_guests_deployed_at_two_controllers_share_one_network(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has found that there is no network yet when another makes it."""
    monkeypatch.setattr(vm_networks, "_TURNS", NoTurns())
    made = await asyncio.gather(*(deploy(here.ann, startvm="false") for _ in range(4)))
    network = await here.ann.one("listNetworks", "network")
    assert {vm["nic"][0]["networkid"] for vm in made} == {network["id"]}


async def test_a_network_shared_with_all(here: Place) -> None:
    network = await share(here)
    assert (network["type"], network["acltype"]) == ("Shared", "Domain")
    for tenant in (here.ann, here.bob):
        seen = await tenant.one("listNetworks", "network")
        assert seen["id"] == network["id"]
        error = await refusal(tenant, "deleteNetwork", id=network["id"])
        assert error["errorcode"] == 531
    vm = await deploy(here.ann)
    assert vm["nic"][0]["ipaddress"] == "10.9.0.10"
    error = await refusal(here.bob, "deployVirtualMachine", **DEPLOY, ipaddress="10.9.0.10")
    assert error["errorcode"] in (431, 533, 536)
    shared = await here.ann("listNetworks", networkfilter="Shared")
    assert shared["count"] == 1
    assert await here.ann("listNetworks", networkfilter="Account") == {}
    assert await here.ann("listNetworks", type="Isolated") == {}


async def test_a_network_without_a_free_address_is_told_by_its_name(here: Place) -> None:
    network = await share(here, startip="10.9.0.10", endip="10.9.0.10")
    await deploy(here.ann, startvm="false", networkids=network["id"])
    error = await refusal(here.bob, "deployVirtualMachine", **DEPLOY, networkids=network["id"])
    assert error["errorcode"] == 533
    assert "network open has no free address: release one" in error["errortext"]


async def test_a_further_range_of_a_shared_network(here: Place) -> None:
    """No address is in two of its ranges, or two guests would get it."""
    network, inner = await share(here), await make(here.ann, name="inner")
    more = {"networkid": network["id"], "forvirtualnetwork": "false"}
    bad = [
        ({"startip": "10.9.0.19", "endip": "10.9.0.25"}, "overlaps 10.9.0.10-10.9.0.19 of network"),
        ({"startip": "10.9.0.2", "endip": "10.9.0.99"}, "overlaps 10.9.0.10-10.9.0.19 of network"),
        ({"startip": "10.9.0.30", "vlan": "300"}, "is on VLAN 119: leave vlan out"),
        ({"startip": "10.1.1.9", "networkid": inner["id"]}, "is Isolated, and ranges are added to"),
    ]
    for wrong, words in bad:
        error = await refusal(here.admin, "createVlanIpRange", **(more | wrong))
        assert error["errorcode"] == 431 and words in error["errortext"]
    made = await here.admin("createVlanIpRange", **more, startip="10.9.0.20", vlan="119")
    error = await refusal(
        here.admin, "updateVlanIpRange", id=made["vlan"]["id"], startip="10.9.0.9"
    )
    assert "overlaps" in error["errortext"]


async def test_a_network_shared_with_one_domain(here: Place) -> None:
    network = await share(here, domainid=str(named("domain bob")))
    assert (await here.bob.one("listNetworks", "network"))["id"] == network["id"]
    assert await here.ann("listNetworks") == {}
    error = await refusal(here.ann, "deployVirtualMachine", **DEPLOY, networkids=network["id"])
    assert "entity does not exist" in error["errortext"]
    assert (await deploy(here.bob))["nic"][0]["networkid"] == network["id"]


async def test_cards_are_listed(here: Place) -> None:
    one = await make(here.ann, name="one")
    two = await make(here.ann, name="two", gateway="10.8.0.1", netmask="255.255.255.0")
    vm = await deploy(here.ann, networkids=[two["id"], one["id"]])
    cards = (await here.ann("listNics", virtualmachineid=vm["id"]))["nic"]
    assert [card["networkname"] for card in cards] == ["two", "one"]
    assert [card["isdefault"] for card in cards] == [True, False]
    assert vm["ipaddress"] == cards[0]["ipaddress"]
    asked = {"virtualmachineid": vm["id"], "networkid": one["id"]}
    assert (await here.ann.one("listNics", "nic", **asked))["id"] == cards[1]["id"]


async def test_what_makes_no_network(here: Place) -> None:
    ann = here.ann

    async def words(client: Client, **more: Any) -> str:
        asked = {"name": "n"} | WHERE | more
        return str((await refusal(client, "createNetwork", **asked))["errortext"])

    assert "given together" in await words(ann, gateway="10.7.0.1")
    for mask in ("255.0.255.0", "0.0.0.255", "0.0.0.0", "255.255.255.254"):
        assert f"netmask {mask} is none" in await words(ann, gateway="10.7.0.1", netmask=mask)
    for gateway in ("10.7.0.0", "10.7.0.255"):
        said = await words(ann, gateway=gateway, netmask="255.255.255.0")
        assert f"gateway {gateway} is the network or broadcast address" in said
    for gateway in ("127.0.0.1", "224.0.0.1"):
        said = await words(ann, gateway=gateway, netmask="255.255.255.0")
        assert f"gateway {gateway} is no address of a machine" in said
    whole = {"networkofferingid": SHARED, "vlan": "119"} | RANGE | {"endip": "10.9.0.255"}
    assert "endip 10.9.0.255 is the network or broadcast" in await words(here.admin, **whole)
    assert "need gateway" in await words(ann, startip="10.1.1.9")
    assert "for root admins" in await words(ann, networkofferingid=SHARED, **RANGE)
    assert "for root admins" in await words(ann, vlan="100")
    assert "chooses the VLAN" in await words(here.admin, vlan="100")
    bad = {"networkofferingid": SHARED, "vlan": "5000"} | RANGE
    assert "is not a number from 1 to 4094" in await words(here.admin, **bad)
    assert "needs gateway" in await words(here.admin, networkofferingid=SHARED)
    assert "entity does not exist" in await words(ann, vpcid=str(named("vpc")))


async def test_a_range_that_is_said_leaves_its_gateway_out(here: Place) -> None:
    """Where none is said it is the whole subnet, of which the gateway is nobody's."""
    shared = {"name": "n", "networkofferingid": SHARED, "vlan": "119", "zoneid": str(ZONE)} | RANGE
    for ends in ({"startip": "10.9.0.1"}, {"gateway": "10.9.0.15"}, {"gateway": "10.9.0.19"}):
        error = await refusal(here.admin, "createNetwork", **(shared | ends))
        assert error["errorcode"] == 431, ends
        assert "is in the range" in error["errortext"] and "startip and endip" in error["errortext"]
    network = await make(here.ann, name="whole", gateway="10.8.0.5", netmask="255.255.255.248")
    vm = await deploy(here.ann, startvm="false", networkids=network["id"])
    assert vm["nic"][0]["ipaddress"] == "10.8.0.1"
