"""A guest on a network that gives its data by a config drive is told all that its owner said."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID

from engine.genesis import stable_id
from tests.tenant.test_refusals import refusal
from tests.tenant.test_vm_life import DEPLOY, deploy
from tests.tenant.test_vm_told import b64, rsa_pair, taking_passwords
from tests.tenant.world import ISOLATED, ZONE, Place

BY_DRIVE = str(stable_id("network_offering", "DefaultL2NetworkOfferingConfigDrive"))


def disc_of(here: Place, vm_id: str) -> dict[str, bytes]:
    """What the simulated host was given for the guest."""
    driver: Any = here.controller.drivers.get("Simulator")
    found: dict[str, bytes] = driver.world.configs.get(UUID(vm_id), {})
    return found


async def networks(here: Place) -> str:
    """An isolated network with addresses, and one whose guests are told by a drive."""
    made = [
        (await here.ann("createNetwork", zoneid=str(ZONE), networkofferingid=offering,
                        name=name, displaytext=name))["network"]["id"]
        for name, offering in (("addresses", ISOLATED), ("drive", BY_DRIVE))
    ]  # fmt: skip
    return ",".join(made)


async def test_what_is_on_the_disc_and_what_a_reset_changes(here: Place) -> None:
    ann = here.ann
    await rsa_pair(ann, "k1")
    await rsa_pair(ann, "k2")
    kept = (
        await ann("registerUserData", name="u", userdata=b64("#cloud-config\n"), params="colour")
    )["userdata"]
    ask = {"networkids": await networks(here), "templateid": await taking_passwords(here)}
    ask |= {"name": "web", "keypair": "k1", "userdataid": kept["id"]}
    vm = await deploy(ann, **ask, userdatadetails=[{"colour": "red"}])

    disc = disc_of(here, vm["id"])
    meta = json.loads(disc["openstack/latest/meta_data.json"])
    assert (meta["uuid"], meta["hostname"], meta["colour"]) == (vm["id"], "web", "red")
    assert (list(meta["public_keys"]), meta["admin_pass"]) == (["k1"], vm["password"])
    assert disc["openstack/latest/user_data"] == b"#cloud-config\n"
    assert disc["cloudstack/userdata/user_data.txt"] == b"#cloud-config\n"
    assert disc["cloudstack/password/vm_password.txt"].decode() == vm["password"]
    assert disc["cloudstack/metadata/vm-id.txt"].decode() == vm["id"]
    wiring = json.loads(disc["openstack/latest/network_data.json"])
    assert [link["ethernet_mac_address"] for link in wiring["links"]] == [
        card["macaddress"] for card in vm["nic"]
    ]
    assert [one["ip_address"] for one in wiring["networks"]] == [vm["nic"][0]["ipaddress"]]
    assert wiring["networks"][0]["routes"][0]["gateway"] == vm["nic"][0]["gateway"]

    await ann.job("stopVirtualMachine", id=vm["id"])
    assert disc_of(here, vm["id"]) == {}
    reset = await ann.job("resetSSHKeyForVirtualMachine", id=vm["id"], keypair="k2")
    second = reset["virtualmachine"]["password"]
    assert second != vm["password"], "new keys bring a new password, where the template takes one"
    await here.admin("resetUserDataForVirtualMachine", id=vm["id"], userdata=b64("new"))
    await ann.job("startVirtualMachine", id=vm["id"])
    disc = disc_of(here, vm["id"])
    meta = json.loads(disc["openstack/latest/meta_data.json"])
    assert (list(meta["public_keys"]), meta["admin_pass"]) == (["k2"], second)
    assert disc["openstack/latest/user_data"] == b"new"
    await ann.job("stopVirtualMachine", id=vm["id"])
    await ann.job("startVirtualMachine", id=vm["id"])
    disc = disc_of(here, vm["id"])
    assert "admin_pass" not in json.loads(disc["openstack/latest/meta_data.json"])
    assert "cloudstack/password/vm_password.txt" not in disc, "it is told once"


async def test_a_fresh_disk_is_told_the_password_again(here: Place) -> None:
    """Whoever restores a guest gets in as before: its disc is in the drive, and says how."""
    ask = {"networkids": await networks(here), "templateid": await taking_passwords(here)}
    vm = await deploy(here.ann, **ask, name="web", userdata=b64("#cloud-config\n"))
    done = await here.ann.job("restoreVirtualMachine", virtualmachineid=vm["id"])
    assert done["virtualmachine"]["password"] == vm["password"]
    disc = disc_of(here, vm["id"])
    assert disc["cloudstack/password/vm_password.txt"].decode() == vm["password"]
    assert disc["openstack/latest/user_data"] == b"#cloud-config\n"


async def test_a_password_is_due_until_it_can_be_told(here: Place) -> None:
    ann, (plain, by_drive) = here.ann, (await networks(here)).split(",")
    ask = {"templateid": await taking_passwords(here), "networkids": plain}
    vm = await deploy(ann, **ask)
    await ann.job("addNicToVirtualMachine", virtualmachineid=vm["id"], networkid=by_drive)
    await ann.job("stopVirtualMachine", id=vm["id"])
    started = await ann.job("startVirtualMachine", id=vm["id"])
    assert started["virtualmachine"]["password"] == vm["password"]
    told = disc_of(here, vm["id"])["cloudstack/password/vm_password.txt"].decode()
    assert told == vm["password"]


async def test_a_guest_that_nobody_can_tell_is_not_given_a_password(here: Place) -> None:
    silent = str(stable_id("network_offering", "DefaultL2NetworkOffering"))
    made = await here.ann("createNetwork", zoneid=str(ZONE), networkofferingid=silent, name="l2",
                          displaytext="l2")  # fmt: skip
    ask = {"templateid": await taking_passwords(here), "networkids": made["network"]["id"]}
    vm = await deploy(here.ann, **ask)
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    error = await refusal(here.ann, "resetPasswordForVirtualMachine", id=vm["id"])
    assert "no network that hands it a password" in error["errortext"]


async def test_other_networks_bring_no_disc(here: Place) -> None:
    vm = await deploy(here.ann, userdata=base64.b64encode(b"hello").decode())
    assert disc_of(here, vm["id"]) == {}
    assert DEPLOY["templateid"] == vm["templateid"]
