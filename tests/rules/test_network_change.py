"""Networks that live: other services, a part of the subnet, and others who may use them."""

from __future__ import annotations

from typing import Any

from tests.rules.world import address_for, addresses, guest_on, network_of
from tests.tenant.test_refusals import gone, refusal
from tests.tenant.test_vm_life import DEPLOY
from tests.tenant.world import ISOLATED, ZONE, Client, Place


async def offering(admin: Client, name: str, services: str, **more: Any) -> str:
    """An isolated offering whose services the virtual router provides."""
    pairs = [{"service": one, "provider": "VirtualRouter"} for one in services.split(",")]
    asked = {
        "name": name,
        "displaytext": name,
        "guestiptype": "Isolated",
        "traffictype": "GUEST",
        "supportedservices": services,
        "serviceproviderlist": pairs,
        "enable": "true",
    }
    made = await admin("createNetworkOffering", **(asked | more))
    return str(made["networkoffering"]["id"])


async def test_another_offering_keeps_what_rules_need(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann)
    vm = await guest_on(ann, network["id"])
    address = await address_for(ann, network["id"])
    rule = (
        await ann.job(
            "createPortForwardingRule", ipaddressid=address["id"], virtualmachineid=vm["id"],
            protocol="tcp", publicport=22, privateport=22, openfirewall="false",
        )
    )["portforwardingrule"]  # fmt: skip
    plain = await offering(here.admin, "plain", "Dhcp,SourceNat")
    asked = {"id": network["id"], "networkofferingid": plain}
    error = await refusal(ann, "updateNetwork", **asked)
    assert (error["errorcode"], rule["id"] in error["errortext"]) == (536, True)
    await ann.job("deletePortForwardingRule", id=rule["id"])
    before = await here.admin.one("listRouters", "router", listall="true")
    changed = (await ann.job("updateNetwork", **asked))["network"]
    assert changed["networkofferingname"] == "plain"
    assert {one["name"] for one in changed["service"]} == {"Dhcp", "SourceNat"}
    after = await here.admin.one("listRouters", "router", listall="true")
    assert after["id"] != before["id"]
    l2 = (await ann("listNetworkOfferings", name="DefaultL2NetworkOffering"))["networkoffering"][0]
    error = await refusal(ann, "updateNetwork", id=network["id"], networkofferingid=l2["id"])
    assert "choose one of its kind" in error["errortext"]


async def test_guests_get_a_part_of_the_subnet(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann)
    vm = await guest_on(ann, network["id"], ipaddress="10.1.1.200")
    small = {"id": network["id"], "guestvmcidr": "10.1.1.64/26"}
    error = await refusal(ann, "updateNetwork", **small)
    assert (error["errorcode"], "are taken" in error["errortext"]) == (536, True)
    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    changed = (await ann.job("updateNetwork", **small))["network"]
    assert (changed["cidr"], changed["networkcidr"]) == ("10.1.1.64/26", "10.1.1.0/24")
    assert changed["reservediprange"] == "10.1.1.0-10.1.1.63,10.1.1.128-10.1.1.255"
    vm = await guest_on(ann, network["id"])
    assert vm["nic"][0]["ipaddress"] == "10.1.1.64"
    error = await refusal(ann, "updateNetwork", id=network["id"], guestvmcidr="10.2.0.0/24")
    assert "is not within 10.1.1.0/24" in error["errortext"]


async def test_guests_go_out_by_another_address(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann)
    await guest_on(ann, network["id"])
    (before,) = await addresses(ann, issourcenat="true")
    await ann.job("updateNetwork", id=network["id"], sourcenatipaddress="198.51.100.20")
    (after,) = await addresses(ann, issourcenat="true")
    assert (after["ipaddress"], after["id"] != before["id"]) == ("198.51.100.20", True)
    router = await here.admin.one("listRouters", "router", listall="true")
    assert router["publicip"] == "198.51.100.20"
    assert await ann.job("disassociateIpAddress", id=before["id"]) == {"success": True}


async def test_a_persistent_network_is_served_from_the_start(here: Place) -> None:
    made = await offering(here.admin, "lasting", "Dhcp,SourceNat", ispersistent="true")
    network = await network_of(here.ann, networkofferingid=made)
    assert network["state"] == "Implemented"
    assert len(await addresses(here.ann, issourcenat="true")) == 1
    assert (await here.admin("listRouters", listall="true"))["count"] == 1


async def test_the_address_to_go_out_by_is_chosen_at_creation(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann, sourcenatipaddress="198.51.100.25")
    (outside,) = await addresses(ann, issourcenat="true")
    assert (outside["ipaddress"], network["state"]) == ("198.51.100.25", "Allocated")
    await guest_on(ann, network["id"])
    (outside,) = await addresses(ann)
    router = await here.admin.one("listRouters", "router", listall="true")
    assert router["publicip"] == outside["ipaddress"] == "198.51.100.25"
    asked = {"name": "n", "networkofferingid": ISOLATED, "zoneid": str(ZONE)}
    error = await refusal(here.bob, "createNetwork", **asked, sourcenatipaddress="198.51.100.25")
    assert "is taken" in error["errortext"]
    assert await here.bob("listNetworks") == {}
    lasting = await offering(here.admin, "kept", "Dhcp,SourceNat", ispersistent="true")
    asked |= {"networkofferingid": lasting, "sourcenatipaddress": "198.51.100.26"}
    assert (await here.bob("createNetwork", **asked))["network"]["state"] == "Implemented"
    (outside,) = await addresses(here.bob, issourcenat="true")
    assert outside["ipaddress"] == "198.51.100.26"


async def test_others_may_use_a_network_by_permission(here: Place) -> None:
    ann, bob = here.ann, here.bob
    network = await network_of(ann)
    seen = await refusal(bob, "deployVirtualMachine", **DEPLOY, networkids=network["id"])
    assert "entity does not exist" in seen["errortext"]
    ids = {"networkid": network["id"], "accountids": here.account("bob")}
    error = await refusal(bob, "createNetworkPermissions", **ids)
    assert gone(error, "networkid", network["id"])
    await here.admin("createNetworkPermissions", **ids)
    listed = (await ann("listNetworkPermissions", networkid=network["id"]))["networkpermission"]
    assert [(one["account"], one["accountid"]) for one in listed] == [("bob", here.account("bob"))]
    assert (await bob.one("listNetworks", "network"))["id"] == network["id"]
    vm = await guest_on(bob, network["id"])
    assert vm["nic"][0]["networkid"] == network["id"]
    for command in ("deleteNetwork", "restartNetwork", "associateIpAddress"):
        name = "networkid" if command == "associateIpAddress" else "id"
        assert (await refusal(bob, command, **{name: network["id"]}))["errorcode"] == 531
    await here.admin("resetNetworkPermissions", networkid=network["id"])
    assert await ann("listNetworkPermissions", networkid=network["id"]) == {}
    assert await bob("listNetworks") == {}


async def test_permissions_are_of_accounts_of_the_domain(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann)
    error = await refusal(ann, "createNetworkPermissions", networkid=network["id"], accounts="bob")
    assert "Unable to find account bob" in error["errortext"]
    error = await refusal(ann, "createNetworkPermissions", networkid=network["id"], accounts="ann")
    assert "owns the network" in error["errortext"]
    assert (await refusal(ann, "createNetworkPermissions", networkid=network["id"]))["errorcode"]
