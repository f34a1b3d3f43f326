"""Network cards come, go and change while a guest lives, through the `cs` client."""

from __future__ import annotations

from typing import Any

import pytest
from cs import CloudStackApiException

from projections.addresses import Addresses
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import ISOLATED, WIRES, ZONE, Client, Place


async def network(client: Client, name: str, subnet: str) -> str:
    made = await client(
        "createNetwork", name=name, networkofferingid=ISOLATED, zoneid=str(ZONE),
        gateway=f"{subnet}.1", netmask="255.255.255.0",
    )  # fmt: skip
    return str(made["network"]["id"])


async def guest(here: Place) -> tuple[Any, str, str]:
    """A guest of ann's that runs on her first network, and both networks."""
    first, second = await network(here.ann, "a", "10.1.5"), await network(here.ann, "b", "10.1.6")
    return await deploy(here.ann, networkids=first), first, second


def real_cards(here: Place, vm_id: str) -> list[str]:
    """What the simulated host plugged in, by MAC address."""
    world = here.controller.drivers.get("Simulator").world  # type: ignore[attr-defined]
    (guest,) = [g for g in world.residue().guests if str(g.guest_id) == vm_id]
    return [nic.mac for nic in guest.nics]


async def test_a_card_is_plugged_into_a_running_guest_and_pulled_again(here: Place) -> None:
    vm, _, second = await guest(here)
    after = (
        await here.ann.job(
            "addNicToVirtualMachine", virtualmachineid=vm["id"], networkid=second,
            ipaddress="10.1.6.77",
        )
    )["virtualmachine"]  # fmt: skip
    assert [nic["ipaddress"] for nic in after["nic"]][1] == "10.1.6.77"
    assert [nic["isdefault"] for nic in after["nic"]] == [True, False]
    assert real_cards(here, vm["id"]) == [nic["macaddress"] for nic in after["nic"]]
    card = after["nic"][1]["id"]
    with pytest.raises(CloudStackApiException, match="is on network b already"):
        await here.ann.job("addNicToVirtualMachine", virtualmachineid=vm["id"], networkid=second)
    left = await here.ann.job("removeNicFromVirtualMachine", virtualmachineid=vm["id"], nicid=card)
    assert len(left["virtualmachine"]["nic"]) == 1
    assert len(real_cards(here, vm["id"])) == 1
    other = await deploy(here.ann, **{"iptonetworklist[0].networkid": second,
                                      "iptonetworklist[0].ip": "10.1.6.77"})  # fmt: skip
    assert other["nic"][0]["ipaddress"] == "10.1.6.77", "the address was not given back"


async def test_the_default_card_stays_until_another_is(here: Place) -> None:
    vm, _, second = await guest(here)
    both = await here.ann.job("addNicToVirtualMachine", virtualmachineid=vm["id"], networkid=second)
    old, new = (nic["id"] for nic in both["virtualmachine"]["nic"])
    with pytest.raises(CloudStackApiException, match="is the default one"):
        await here.ann.job("removeNicFromVirtualMachine", virtualmachineid=vm["id"], nicid=old)
    await here.ann.job("updateDefaultNicForVirtualMachine", virtualmachineid=vm["id"], nicid=new)
    left = await here.ann.job("removeNicFromVirtualMachine", virtualmachineid=vm["id"], nicid=old)
    assert [(nic["id"], nic["isdefault"]) for nic in left["virtualmachine"]["nic"]] == [(new, True)]


async def test_further_addresses_are_promised_and_given_back(here: Place) -> None:
    vm, first, _ = await guest(here)
    nic = vm["nic"][0]["id"]
    added = (await here.ann.job("addIpToNic", nicid=nic, ipaddress="10.1.5.200"))["nicsecondaryip"]
    assert (added["ipaddress"], added["nicid"], added["networkid"]) == ("10.1.5.200", nic, first)
    with pytest.raises(CloudStackApiException, match=r"10\.1\.5\.200 of network a is taken"):
        await here.ann.job("addIpToNic", nicid=nic, ipaddress="10.1.5.200")
    listed = await here.ann.one("listNics", "nic", virtualmachineid=vm["id"])
    assert listed["secondaryip"] == [{"id": added["id"], "ipaddress": "10.1.5.200"}]
    with pytest.raises(CloudStackApiException, match="entity does not exist"):
        await here.bob("removeIpFromNic", id=added["id"])
    assert await here.ann.job("removeIpFromNic", id=added["id"]) == {"success": True}
    again = await here.ann.job("addIpToNic", nicid=nic, ipaddress="10.1.5.200")
    assert again["nicsecondaryip"]["ipaddress"] == "10.1.5.200"
    with pytest.raises(CloudStackApiException, match=r"not in 10\.1\.5\.0/24"):
        await here.ann.job("addIpToNic", nicid=nic, ipaddress="10.9.9.9")
    with pytest.raises(CloudStackApiException, match=r"10\.1\.5\.255 of network a is in no range"):
        await here.ann.job("addIpToNic", nicid=nic, ipaddress="10.1.5.255")


async def test_a_stopped_guests_card_gets_another_address(here: Place) -> None:
    vm, _, _ = await guest(here)
    nic = vm["nic"][0]
    with pytest.raises(CloudStackApiException, match="stop it first"):
        await here.ann.job("updateVmNicIp", nicid=nic["id"], ipaddress="10.1.5.90")
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    for address in ("10.1.5.90", "10.1.5.91", nic["ipaddress"]):
        moved = await here.ann.job("updateVmNicIp", nicid=nic["id"], ipaddress=address)
        assert moved["virtualmachine"]["nic"][0]["ipaddress"] == address
    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    held = here.controller.cloud.view(Addresses).holds.values()
    assert not [taken for taken in held if str(taken.holder) == nic["id"]]


async def test_what_is_not_ones_own_does_not_exist(here: Place) -> None:
    vm, _, second = await guest(here)
    for command, params in (
        ("addNicToVirtualMachine", {"virtualmachineid": vm["id"], "networkid": second}),
        ("addIpToNic", {"nicid": vm["nic"][0]["id"]}),
        ("updateVmNicIp", {"nicid": vm["nic"][0]["id"]}),
    ):
        with pytest.raises(CloudStackApiException, match="entity does not exist"):
            await here.bob(command, **params)


async def test_an_address_that_a_rule_leads_to_stays(here: Place) -> None:
    vm, _, second = await guest(here)
    both = await here.ann.job("addNicToVirtualMachine", virtualmachineid=vm["id"], networkid=second)
    card = both["virtualmachine"]["nic"][1]
    await public_range(here)
    address = await here.ann.job("associateIpAddress", networkid=second)
    rule = await here.ann.job(
        "createPortForwardingRule", ipaddressid=address["ipaddress"]["id"], protocol="tcp",
        publicport=80, privateport=80, virtualmachineid=vm["id"], networkid=second,
    )  # fmt: skip
    with pytest.raises(CloudStackApiException, match="remove that first"):
        await here.ann.job(
            "removeNicFromVirtualMachine", virtualmachineid=vm["id"], nicid=card["id"]
        )
    await here.ann.job("deletePortForwardingRule", id=rule["portforwardingrule"]["id"])
    await here.ann.job("removeNicFromVirtualMachine", virtualmachineid=vm["id"], nicid=card["id"])


async def public_range(here: Place) -> None:
    """Public addresses for the zone, if it has none."""
    await here.admin("addTrafficType", physicalnetworkid=str(WIRES), traffictype="Public")
    await here.admin(
        "createVlanIpRange", zoneid=str(ZONE), vlan="untagged", gateway="198.51.100.1",
        netmask="255.255.255.0", startip="198.51.100.10", endip="198.51.100.50",
        forvirtualnetwork="true",
    )  # fmt: skip
