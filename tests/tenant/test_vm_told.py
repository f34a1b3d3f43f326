"""What a guest is told at its start: user data, SSH keys and a password, and who may read it."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cs import CloudStackApiException

from drivers.sim.faults import Fault
from engine.genesis import stable_id
from engine.intents import SYSTEM
from engine.intents.template import RegisterTemplate
from engine.intents.vm import password_entry
from tests.tenant.test_vm_life import DEPLOY, deploy
from tests.tenant.world import Client, Place, named


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def taking_passwords(here: Place, **more: Any) -> str:
    """A template of ann's that takes a password from the cloud."""
    ask = RegisterTemplate(
        template_id=named("with password"), account_id=named("account ann"),
        domain_id=named("domain ann"), name="pw", display_text="pw", url="sim://pw",
        hypervisor="Simulator", image_format="QCOW2", trusted=True, password_enabled=True,
        os_type_id=stable_id("os_type", "Other Linux (64-bit)"),
    )  # fmt: skip
    await here.controller.engine.perform(ask, SYSTEM)
    return str(ask.template_id)


async def rsa_pair(client: Client, name: str) -> rsa.RSAPrivateKey:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    await client("registerSSHKeyPair", name=name, publickey=public.decode())
    return key


async def opened(client: Client, vm_id: str, key: rsa.RSAPrivateKey) -> str:
    told = (await client("getVMPassword", id=vm_id))["password"]["encryptedpassword"]
    return key.decrypt(base64.b64decode(told), padding.PKCS1v15()).decode()


async def in_vault(here: Place, vm_id: str) -> str | None:
    try:
        return await here.controller.vault.get(password_entry(UUID(vm_id)))
    except KeyError:
        return None


async def test_a_password_is_told_by_the_job_and_read_by_the_key(here: Place) -> None:
    ann, template = here.ann, await taking_passwords(here)
    key = await rsa_pair(ann, "k")
    accepted = await ann("deployVirtualMachine", **DEPLOY | {"templateid": template}, keypair="k")
    vm = (await ann.ended(accepted["jobid"]))["virtualmachine"]
    first = vm["password"]
    assert len(first) == 16
    seen = await ann.one("listVirtualMachines", "virtualmachine", id=vm["id"])
    assert "password" not in seen and seen["passwordenabled"] is True
    assert await opened(ann, vm["id"], key) == first
    # The administrator may see the job, and not what it told ann.
    by_admin = await here.admin("queryAsyncJobResult", jobid=accepted["jobid"])
    assert "password" not in by_admin["jobresult"]["virtualmachine"]

    with pytest.raises(CloudStackApiException, match="must be Stopped"):
        await ann.job("resetPasswordForVirtualMachine", id=vm["id"])
    await ann.job("stopVirtualMachine", id=vm["id"])
    again = await ann.job("resetPasswordForVirtualMachine", id=vm["id"])
    second = again["virtualmachine"]["password"]
    assert second != first and await opened(ann, vm["id"], key) == second
    chosen = await ann.job("resetPasswordForVirtualMachine", id=vm["id"], password="my own words")
    assert chosen["virtualmachine"]["password"] == "my own words"
    # No network of it hands passwords over yet: it stays due, and was told to ann already.
    started = await ann.job("startVirtualMachine", id=vm["id"])
    assert "password" not in started["virtualmachine"]  # nothing new came with this start

    log = (here.controller.settings.home / "log.db").read_bytes()
    for secret in (first, second, "my own words"):
        assert secret.encode() not in log
    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    assert await in_vault(here, vm["id"]) is None


async def test_a_password_goes_with_the_guest_to_another_host(here: Place) -> None:
    """And ends with it, if there is none where it starts."""
    asked = DEPLOY | {"templateid": await taking_passwords(here), "password": "chosen words"}
    sim: Any = here.controller.drivers.get("Simulator")
    vms, hosts = (here.controller.cloud.table(kind) for kind in ("vm", "host"))
    first = hosts[vms[UUID((await deploy(here.ann))["id"])].host_id]
    sim._site.faults.fail("start_guest", Fault.BEFORE, host=first.url)
    vm = (await here.ann.job("deployVirtualMachine", **asked))["virtualmachine"]
    assert vms[UUID(vm["id"])].host_id != first.id
    assert vm["password"] == "chosen words" == await in_vault(here, vm["id"])

    sim._site.faults.fail("start_guest", Fault.BEFORE)
    accepted = await here.ann("deployVirtualMachine", **asked)
    with pytest.raises(CloudStackApiException, match="and no other place"):
        await here.ann.ended(accepted["jobid"])
    assert await in_vault(here, accepted["id"]) is None


async def test_what_is_refused_about_passwords(here: Place) -> None:
    template = await taking_passwords(here)
    with pytest.raises(CloudStackApiException, match="less than 6"):
        await deploy(here.ann, templateid=template, password="short")
    plain = await deploy(here.ann, startvm="false")
    with pytest.raises(CloudStackApiException, match="takes no password"):
        await here.ann.job("resetPasswordForVirtualMachine", id=plain["id"])
    with pytest.raises(CloudStackApiException, match="no RSA key pair"):
        await here.ann("getVMPassword", id=plain["id"])
    # Refused for want of room: nothing of the password that was given is kept.
    accepted = await here.admin(
        "deployVirtualMachine", **DEPLOY | {"templateid": template}, password="a long password",
        account="ann", domainid=str(named("domain ann")), hostid=str(named("host 3")),
    )  # fmt: skip
    with pytest.raises(CloudStackApiException, match=r"no host has room|no pool"):
        await here.admin.ended(accepted["jobid"])
    assert await in_vault(here, accepted["id"]) is None


async def test_user_data_by_its_id_with_parameters(here: Place) -> None:
    ann = here.ann
    kept = (
        await ann(
            "registerUserData", name="hello", userdata=b64("#cloud-config\n{}"), params="a, b"
        )
    )["userdata"]
    assert (kept["params"], kept["account"]) == ("a,b", "ann")
    vm = await deploy(
        ann, startvm="false", userdataid=kept["id"], userdatadetails=[{"a": "1", "b": "two"}]
    )
    assert (vm["userdataid"], vm["userdataname"]) == (kept["id"], "hello")
    assert vm["userdatadetails"] == '{"a":"1","b":"two"}'
    told = await ann("getVirtualMachineUserData", virtualmachineid=vm["id"])
    assert told["virtualmachineuserdata"]["userdata"] == kept["userdata"]
    found = await ann.one("listVirtualMachines", "virtualmachine", userdataid=kept["id"])
    assert found["id"] == vm["id"]
    with pytest.raises(CloudStackApiException, match="has no parameter c"):
        await deploy(ann, userdataid=kept["id"], userdatadetails=[{"c": "1"}])
    with pytest.raises(CloudStackApiException, match="in use"):
        await ann("deleteUserData", id=kept["id"])
    with pytest.raises(CloudStackApiException):
        await here.bob("deleteUserData", id=kept["id"])
    changed = await ann("updateVirtualMachine", id=vm["id"], userdata=b64("new"))
    assert "userdataid" not in changed["virtualmachine"]
    await ann("deleteUserData", id=kept["id"])
    assert await ann("listUserData") == {}


@pytest.mark.parametrize("policy", ["ALLOWOVERRIDE", "APPEND", "DENYOVERRIDE"])
async def test_a_templates_user_data(here: Place, policy: str) -> None:
    ann, template = here.ann, await taking_passwords(here)
    kept = (await ann("registerUserData", name="t", userdata=b64("#!/bin/sh\ntrue")))["userdata"]
    linked = await ann(
        "linkUserDataToTemplate", templateid=template, userdataid=kept["id"],
        userdatapolicy=policy,
    )  # fmt: skip
    assert linked["template"]["userdatapolicy"] == policy
    alone = await deploy(ann, startvm="false", templateid=template)
    assert (alone["userdataid"], alone["userdatapolicy"]) == (kept["id"], policy)
    own = {"startvm": "false", "templateid": template, "userdata": b64("#cloud-config\na: 1\n")}
    if policy == "DENYOVERRIDE":
        with pytest.raises(CloudStackApiException, match="allows no other"):
            await deploy(ann, **own)
        return
    both = await deploy(ann, **own)
    told = await ann("getVirtualMachineUserData", virtualmachineid=both["id"])
    text = base64.b64decode(told["virtualmachineuserdata"]["userdata"]).decode()
    assert ("text/x-shellscript" in text) == (policy == "APPEND")
    assert ("cloud-config" in text) and (policy == "APPEND" or text == "#cloud-config\na: 1\n")


async def test_keys_are_changed_while_it_is_stopped(here: Place) -> None:
    ann = here.ann
    await rsa_pair(ann, "one")
    await rsa_pair(ann, "two")
    vm = await deploy(ann, keypair="one")
    with pytest.raises(CloudStackApiException, match="stop it to change its SSH keys"):
        await ann.job("resetSSHKeyForVirtualMachine", id=vm["id"], keypair="two")
    await ann.job("stopVirtualMachine", id=vm["id"])
    told = await ann.job("resetSSHKeyForVirtualMachine", id=vm["id"], keypair="two")
    assert told["virtualmachine"]["keypairs"] == "two"
    found = await ann.one("listVirtualMachines", "virtualmachine", keypair="two")
    assert found["id"] == vm["id"]
    with pytest.raises(CloudStackApiException, match="'none' does not exist"):
        await ann.job("resetSSHKeyForVirtualMachine", id=vm["id"], keypair="none")


async def test_root_gives_a_stopped_guest_other_user_data(here: Place) -> None:
    vm = await deploy(here.ann, startvm="false", userdata=b64("old"))
    with pytest.raises(CloudStackApiException, match="does not exist or is not available"):
        await here.ann("resetUserDataForVirtualMachine", id=vm["id"], userdata=b64("x"))
    await here.admin("resetUserDataForVirtualMachine", id=vm["id"], userdata=b64("new"))
    told = await here.ann("getVirtualMachineUserData", virtualmachineid=vm["id"])
    assert told["virtualmachineuserdata"]["userdata"] == b64("new")
