"""Ranges that administrators keep: for storage, and of public addresses for somebody."""

from __future__ import annotations

from tests.rules.world import RANGE, address_for, network_of
from tests.tenant.test_refusals import refusal
from tests.tenant.world import POD, WIRES, ZONE, Place, named

STORAGE = {"podid": str(POD), "gateway": "192.0.2.1", "netmask": "255.255.255.0"}


async def test_storage_ranges(here: Place) -> None:
    admin = here.admin
    asked = STORAGE | {"startip": "192.0.2.100", "endip": "192.0.2.109"}
    error = await refusal(admin, "createStorageNetworkIpRange", **asked)
    assert "no wires that carry Storage traffic" in error["errortext"]
    wires = {"physicalnetworkid": str(WIRES), "traffictype": "Storage"}
    await admin.job("addTrafficType", **wires)
    made = (await admin.job("createStorageNetworkIpRange", **asked, vlan=7))[
        "storagenetworkiprange"
    ]
    assert (made["endip"], made["vlan"], made["zoneid"]) == ("192.0.2.109", 7, str(ZONE))
    error = await refusal(
        admin, "createStorageNetworkIpRange", **(asked | {"startip": "192.0.2.105"})
    )
    assert "overlaps 192.0.2.100-192.0.2.109" in error["errortext"]
    error = await refusal(
        admin, "createStorageNetworkIpRange", **(asked | {"startip": "198.51.100.9"})
    )
    assert (error["errorcode"], "is not in the subnet" in error["errortext"]) == (431, True)
    changed = await admin.job("updateStorageNetworkIpRange", id=made["id"], endip="192.0.2.120")
    assert changed["storagenetworkiprange"]["endip"] == "192.0.2.120"
    listed = await admin.one("listStorageNetworkIpRange", "storagenetworkiprange", podid=str(POD))
    assert listed["id"] == made["id"]
    assert (await refusal(here.ann, "listStorageNetworkIpRange"))["errorcode"] == 432
    gone = await admin.job("deleteStorageNetworkIpRange", id=made["id"])
    assert gone == {"success": True}
    assert await admin("listStorageNetworkIpRange") == {}


async def test_a_public_range_is_kept_for_somebody(here: Place) -> None:
    admin = here.admin
    ours, theirs = await network_of(here.ann), await network_of(here.bob)
    await address_for(here.bob, theirs["id"])
    mine = {"id": str(RANGE), "domainid": str(named("domain ann"))}
    error = await refusal(admin, "dedicatePublicIpRange", **mine, account="ann")
    assert (error["errorcode"], "is another account's" in error["errortext"]) == (536, True)
    await here.bob.job("disassociateIpAddress", ipaddress="198.51.100.10")
    kept = (await admin("dedicatePublicIpRange", **mine, account="ann"))["vlan"]
    assert (kept["account"], kept["domainid"]) == ("ann", str(named("domain ann")))
    error = await refusal(admin, "dedicatePublicIpRange", **mine)
    assert "release it first" in error["errortext"]
    await address_for(here.ann, ours["id"])
    error = await refusal(here.bob, "associateIpAddress", networkid=theirs["id"])
    assert error["errorcode"] == 533
    assert await admin("releasePublicIpRange", id=str(RANGE)) == {"success": True}
    assert (await address_for(here.bob, theirs["id"]))["account"] == "bob"
    error = await refusal(admin, "releasePublicIpRange", id=str(RANGE))
    assert "is kept for nobody" in error["errortext"]
