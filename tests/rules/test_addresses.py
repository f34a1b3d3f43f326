"""Public addresses as tenants take them, use them and give them back."""

from __future__ import annotations

import asyncio

from cs import CloudStackApiException

from projections.addresses import Addresses
from projections.public_ip_address import public_ip_addresses
from projections.vlan_ip_range import space_of
from tests.rules.world import COUNT, RANGE, address_for, addresses, guest_on, network_of
from tests.tenant.test_refusals import gone, refusal
from tests.tenant.test_vm_life import DEPLOY
from tests.tenant.world import SHARED, ZONE, Place, named


def taken(here: Place) -> int:
    return here.controller.cloud.view(Addresses).ranges[space_of(RANGE)].taken_count


async def test_from_taking_to_giving_back(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann)
    accepted = await ann("associateIpAddress", networkid=network["id"])
    assert set(accepted) == {"id", "jobid"}
    found = (await ann.ended(accepted["jobid"]))["ipaddress"]
    assert found["id"] == accepted["id"]
    assert (found["ipaddress"], found["state"]) == ("198.51.100.10", "Allocated")
    assert (found["associatednetworkid"], found["account"]) == (network["id"], "ann")
    assert (found["issourcenat"], found["isstaticnat"], found["hasrules"]) == (False, False, False)
    assert found["allocated"] and found["domainpath"] == "ROOT/ann"
    mine = await addresses(ann, associatednetworkid=network["id"])
    assert [one["id"] for one in mine] == [found["id"]]
    assert await addresses(here.bob) == []
    assert gone(await refusal(here.bob, "disassociateIpAddress", id=found["id"]), "id", found["id"])
    assert await ann.job("disassociateIpAddress", id=found["id"]) == {"success": True}
    assert await addresses(ann) == []
    assert taken(here) == 0
    again = await address_for(ann, network["id"])
    assert (again["ipaddress"], again["id"] != found["id"]) == ("198.51.100.10", True)


async def test_a_named_address_and_by_its_zone(here: Place) -> None:
    ann = here.ann
    error = await refusal(ann, "associateIpAddress", zoneid=str(ZONE))
    assert "has 0 isolated networks" in error["errortext"]
    network = await network_of(ann)
    found = (await ann.job("associateIpAddress", zoneid=str(ZONE), ipaddress="198.51.100.17"))[
        "ipaddress"
    ]
    assert found["ipaddress"] == "198.51.100.17"
    error = await refusal(
        ann, "associateIpAddress", networkid=network["id"], ipaddress="198.51.100.17"
    )
    assert "is taken: choose another" in error["errortext"]
    for wrong, words in (("203.0.113.9", "in no range"), ("nine", "is no IPv4 address")):
        error = await refusal(ann, "associateIpAddress", networkid=network["id"], ipaddress=wrong)
        assert (error["errorcode"], words in error["errortext"]) == (431, True)
    assert await ann.job("disassociateIpAddress", ipaddress="198.51.100.17") == {"success": True}


async def test_what_gets_no_address(here: Place) -> None:
    ann = here.ann
    shared = (
        await here.admin(
            "createNetwork", name="open", networkofferingid=SHARED, zoneid=str(ZONE), vlan="119",
            gateway="10.9.0.1", netmask="255.255.255.0", startip="10.9.0.10", endip="10.9.0.19",
        )
    )["network"]  # fmt: skip
    error = await refusal(here.admin, "associateIpAddress", networkid=shared["id"])
    assert "no service that uses a public address" in error["errortext"]
    assert (await refusal(ann, "associateIpAddress", networkid=shared["id"]))["errorcode"] == 531
    network = await network_of(ann)
    error = await refusal(ann, "associateIpAddress", networkid=network["id"], isportable="true")
    assert "portable" in error["errortext"]
    assert (await refusal(ann, "associateIpAddress"))["errorcode"] == 431


async def test_two_hundred_at_once_get_exactly_what_there_is(here: Place) -> None:
    network = await network_of(here.ann)
    running = here.controller
    whose = {"account": "ann", "domainid": str(named("domain ann"))}
    await here.admin("updateResourceLimit", **whose, resourcetype=1, max=-1)

    async def one(number: int) -> str:
        try:
            return str((await here.ann("associateIpAddress", networkid=network["id"]))["id"])
        except CloudStackApiException as refused:
            assert refused.error["errorcode"] == 533, refused.error
            assert "Insufficient address capacity" in refused.error["errortext"]
            return ""

    got = [one for one in await asyncio.gather(*(one(n) for n in range(200))) if one]
    assert len(got) == len(set(got)) == COUNT
    rows = list(running.cloud[public_ip_addresses])
    assert len({row.address for row in rows}) == len(rows) == COUNT == taken(here)


async def test_source_nat_comes_with_the_first_guest_and_goes_with_the_network(
    here: Place,
) -> None:
    ann = here.ann
    network = await network_of(ann)
    assert await addresses(ann) == []
    made = await asyncio.gather(*(guest_on(ann, network["id"]) for _ in range(3)))
    (found,) = await addresses(ann, issourcenat="true")
    assert (found["associatednetworkid"], found["issourcenat"]) == (network["id"], True)
    error = await refusal(ann, "disassociateIpAddress", id=found["id"])
    assert "is the source NAT address" in error["errortext"]
    error = await refusal(
        ann, "enableStaticNat", ipaddressid=found["id"], virtualmachineid=made[0]["id"]
    )
    assert "is a source NAT address" in error["errortext"]
    await asyncio.gather(
        *(here.admin.job("destroyVirtualMachine", id=one["id"], expunge="true") for one in made)
    )
    assert await ann.job("deleteNetwork", id=network["id"]) == {"success": True}
    assert await addresses(ann) == []
    assert taken(here) == 0


async def test_a_guest_without_an_address_for_its_network_leaves_nothing(here: Place) -> None:
    bob, network = here.bob, await network_of(here.ann)
    await asyncio.gather(*(address_for(here.ann, network["id"]) for _ in range(COUNT)))
    theirs = await network_of(bob)
    error = await refusal(
        bob, "deployVirtualMachine", **DEPLOY, networkids=theirs["id"], name="late"
    )
    assert "Insufficient address capacity" in error["errortext"]
    assert await bob("listVirtualMachines") == {}
    assert (await bob.one("listNetworks", "network", id=theirs["id"]))["state"] == "Allocated"


async def test_free_addresses_are_listed_and_reserved(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann)
    await address_for(ann, network["id"])
    every = await addresses(ann, allocatedonly="false", zoneid=str(ZONE))
    assert len(every) == COUNT
    assert [one["state"] for one in every] == ["Allocated"] + ["Free"] * (COUNT - 1)
    free = await addresses(ann, state="Free", ipaddress="198.51.100.20")
    assert [one["ipaddress"] for one in free] == ["198.51.100.20"]
    kept = (await ann("reserveIpAddress", id=free[0]["id"]))["ipaddress"]
    assert (kept["state"], kept["ipaddress"], kept["account"]) == (
        "Reserved",
        "198.51.100.20",
        "ann",
    )
    error = await refusal(here.bob, "reserveIpAddress", id=free[0]["id"])
    assert "no free public address" in error["errortext"]
    error = await refusal(ann, "createFirewallRule", ipaddressid=kept["id"], protocol="tcp")
    assert "associate it with a network first" in error["errortext"]
    used = await address_for(ann, network["id"], ipaddress="198.51.100.20")
    assert (used["id"], used["state"]) == (kept["id"], "Allocated")
    error = await refusal(ann, "releaseIpAddress", id=kept["id"])
    assert "disassociateIpAddress gives it back" in error["errortext"]
    await ann.job("disassociateIpAddress", id=kept["id"])
    other = await addresses(ann, state="Free", ipaddress="198.51.100.21")
    held = (await ann("reserveIpAddress", id=other[0]["id"]))["ipaddress"]
    assert await ann("releaseIpAddress", id=held["id"]) == {"success": True}
    assert taken(here) == 1


async def test_a_range_that_is_kept_for_one_account(here: Place) -> None:
    made = await here.admin(
        "createVlanIpRange", zoneid=str(ZONE), startip="198.51.100.100", endip="198.51.100.101",
        gateway="198.51.100.1", netmask="255.255.255.0", forvirtualnetwork="true",
        domainid=str(named("domain ann")), account="ann",
    )  # fmt: skip
    assert made["vlan"]["domainpath"] == "ROOT/ann"
    network, theirs = await network_of(here.ann), await network_of(here.bob)
    assert (await address_for(here.ann, network["id"]))["ipaddress"] == "198.51.100.100"
    assert (await address_for(here.bob, theirs["id"]))["ipaddress"] == "198.51.100.10"
    error = await refusal(
        here.bob, "associateIpAddress", networkid=theirs["id"], ipaddress="198.51.100.101"
    )
    assert "in no range" in error["errortext"]


async def test_hidden_addresses(here: Place) -> None:
    network = await network_of(here.ann)
    found = await address_for(here.ann, network["id"])
    await here.admin.job("updateIpAddress", id=found["id"], fordisplay="false")
    assert await addresses(here.ann) == []
    (seen,) = await addresses(here.admin, listall="true", fordisplay="false")
    assert (seen["id"], seen["fordisplay"]) == (found["id"], False)
