"""Deleting an account or a domain ends all that is in it, and nothing begins there any more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from engine.intents import SYSTEM
from engine.intents.record import UpdateRecord
from tests.tenant.test_refusals import refusal
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import (
    ISOLATED,
    SMALL,
    SMALL_DISK,
    TEMPLATE,
    ZONE,
    Client,
    Place,
    named,
    place,
)


async def furnish(here: Place) -> None:
    """A guest that runs, a guest's disk, a loose one, and a key pair."""
    await deploy(here.ann)
    await here.ann.job("createVolume", name="loose", zoneid=str(ZONE), diskofferingid=SMALL_DISK)
    await here.ann("createSSHKeyPair", name="laptop")


def left_of(here: Place, account: str) -> list[str]:
    cloud = here.controller.cloud
    kinds = ("vm", "volume", "network", "ssh_key_pair", "user", "account")
    return [
        kind
        for kind in kinds
        for row in cloud.table(kind)
        if str(getattr(row, "account_id", "")) == here.account(account)
    ]


async def test_an_account_goes_with_all_that_it_owns(here: Place) -> None:
    await furnish(here)
    assert set(left_of(here, "ann")) >= {"vm", "volume", "network", "ssh_key_pair", "user"}
    done = await here.admin.job("deleteAccount", id=here.account("ann"))
    assert done["success"] is True
    assert left_of(here, "ann") == []
    assert (await refusal(here.ann, "listVirtualMachines"))["errorcode"] == 401
    assert await here.bob("listVirtualMachines") == {}


async def test_a_domain_goes_with_cleanup_only(here: Place) -> None:
    await furnish(here)
    domain = (await here.admin.one("listAccounts", "account", id=here.account("ann")))["domainid"]
    told = await refusal(here.admin, "deleteDomain", id=domain)
    assert "cleanup=true" in told["errortext"]
    assert (await here.admin.job("deleteDomain", id=domain, cleanup=True))["success"] is True
    assert left_of(here, "ann") == []
    assert (await refusal(here.admin, "listDomains", id=domain))["errorcode"] == 431


async def test_nothing_is_made_for_an_account_that_is_disabled(here: Place) -> None:
    await here.admin.job("disableAccount", id=here.account("ann"), lock=False)
    domain = (await here.admin.one("listAccounts", "account", id=here.account("ann")))["domainid"]
    for_ann = {"account": "ann", "domainid": domain}
    told = await refusal(
        here.admin, "deployVirtualMachine", zoneid=str(ZONE), templateid=TEMPLATE,
        serviceofferingid=SMALL, **for_ann,
    )  # fmt: skip
    assert "account ann is disabled" in told["errortext"]


async def test_what_begins_at_that_very_moment_ends_too(here: Place) -> None:
    """Either it is refused or it is ended: nothing is left that nobody owns."""
    ask = {"zoneid": str(ZONE), "diskofferingid": SMALL_DISK}
    done = await asyncio.gather(
        *(here.ann("createVolume", name=f"v{n}", **ask) for n in range(6)),
        here.admin.job("deleteAccount", id=here.account("ann")),
        *(here.ann("createVolume", name=f"w{n}", **ask) for n in range(6)),
        return_exceptions=True,
    )
    assert done[6] == {"success": True}
    assert left_of(here, "ann") == []
    assert not list(here.controller.cloud.table("volume"))


async def test_nothing_begins_in_what_is_being_deleted(here: Place) -> None:
    """As it is between two steps of a deletion: a domain that is closed, an account that ends."""
    decide, admin = here.controller.engine.decide, here.admin
    domain, account = named("domain ann"), named("account ann")
    closed = UpdateRecord(kind="domain", id=domain, fields={"state": "Inactive"})
    await decide(closed, SYSTEM)
    person = {"email": "e", "firstname": "f", "lastname": "l", "password": "p", "username": "x"}
    for command, params in (
        ("createDomain", {"name": "x", "parentdomainid": str(domain)}),
        ("createAccount", {"accounttype": 0, "domainid": str(domain), **person}),
        ("createProject", {"name": "x", "accountid": str(account)}),
        ("moveDomain", {"domainid": str(named("domain bob")), "parentdomainid": str(domain)}),
    ):
        assert "is being deleted" in (await refusal(admin, command, **params))["errortext"], command
    ends = UpdateRecord(kind="account", id=account, fields={"ending": named("job")})
    await decide(ends, SYSTEM)
    whose = {"account": "ann", "domainid": str(domain)}
    for command, params in (
        ("createUser", {**person, **whose}),
        ("createSSHKeyPair", {"name": "k", **whose}),
        ("enableAccount", {"id": str(account)}),
        ("deleteAccount", {"id": str(account)}),
    ):
        assert "is being deleted" in (await refusal(admin, command, **params))["errortext"], command


async def shared_template(here: Place) -> str:
    """A template of ann's that bob may use."""
    linux = (await here.admin("listOsTypes"))["ostype"][0]["id"]
    await deploy(here.ann)
    root = await here.ann.one("listVolumes", "volume", type="ROOT")
    vm = await here.ann.one("listVirtualMachines", "virtualmachine")
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    made = await here.ann.job("createTemplate", volumeid=root["id"], name="t", ostypeid=linux)
    template = str(made["template"]["id"])
    await here.admin("updateTemplatePermissions", id=template, ispublic=True)
    return template


async def states_of(client: Client) -> list[str]:
    return [vm["state"] for vm in (await client("listVirtualMachines"))["virtualmachine"]]


async def test_a_guest_that_was_never_started_keeps_no_account(here: Place) -> None:
    """It is another account's, and of a template that goes: its start says so."""
    template = await shared_template(here)
    await deploy(here.bob, templateid=template, startvm=False)
    done = await here.admin.job("deleteAccount", id=here.account("ann"))
    assert done["success"] is True
    assert left_of(here, "ann") == []
    assert await states_of(here.bob) == ["Stopped"]
    vm = await here.bob.one("listVirtualMachines", "virtualmachine")
    asked = await here.bob("startVirtualMachine", id=vm["id"])
    told = await here.bob("queryAsyncJobResult", jobid=asked["jobid"])
    while told["jobstatus"] == 0:
        told = await here.bob("queryAsyncJobResult", jobid=asked["jobid"])
    assert "is gone" in told["jobresult"]["errortext"]


async def test_a_guest_that_is_being_made_of_its_template_is_waited_for(tmp_path: Path) -> None:
    async with place(tmp_path, delay_s="0.3") as here:
        template = await shared_template(here)
        begun = await here.bob(
            "deployVirtualMachine", zoneid=str(ZONE), templateid=template, serviceofferingid=SMALL
        )
        done = await here.admin.job("deleteAccount", id=here.account("ann"))
        assert done["success"] is True
        assert (await here.bob.ended(begun["jobid"]))["virtualmachine"]["state"] == "Running"
        assert left_of(here, "ann") == []


async def lend(here: Place, name: str = "bob") -> None:
    """A guest of his is on two networks of ann's."""
    where, lent = {"zoneid": str(ZONE), "networkofferingid": ISOLATED}, list[str]()
    for called in ("lent", "lent too"):
        made = (await here.ann("createNetwork", name=called, **where))["network"]["id"]
        await here.admin("createNetworkPermissions", networkid=made, accountids=here.account(name))
        lent.append(made)
    await deploy(here.tenants[name], name="lodger", networkids=",".join(lent))


@pytest.mark.parametrize("what", ["account", "domain"])
async def test_who_has_a_guest_of_anothers_on_a_network_is_refused_at_first(
    here: Place, what: str
) -> None:
    """All else that was owned had gone by then, and the job waited for a person."""
    await lend(here)
    await here.ann("createSSHKeyPair", name="laptop")
    domain = (await here.admin.one("listAccounts", "account", id=here.account("ann")))["domainid"]
    ask: dict[str, Any] = {
        "account": {"command": "deleteAccount", "id": here.account("ann")},
        "domain": {"command": "deleteDomain", "id": domain, "cleanup": True},
    }[what]
    told = await refusal(here.admin, **ask)
    assert "guests of others are on its networks, 1 in all (lodger of bob)" in told["errortext"]
    assert {"ssh_key_pair", "network", "account"} <= set(left_of(here, "ann"))
    vm = await here.bob.one("listVirtualMachines", "virtualmachine")
    await here.bob.job("destroyVirtualMachine", id=vm["id"], expunge=True)
    assert (await here.admin.job(**ask))["success"] is True
    assert left_of(here, "ann") == []


async def test_in_a_domain_no_account_waits_for_anothers_end(tmp_path: Path) -> None:
    """A guest of one is on a network of another, and both go: the quicker of the two had parked."""
    async with place(tmp_path, delay_s="0.5") as here:
        await lend(here)
        ann = here.account("ann")
        domain = (await here.admin.one("listAccounts", "account", id=ann))["domainid"]
        bob = UUID(here.account("bob"))
        moved = UpdateRecord(kind="account", id=bob, fields={"domain_id": UUID(domain)})
        await here.controller.engine.decide(moved, SYSTEM)
        done = await here.admin.job("deleteDomain", id=domain, cleanup=True)
        assert done["success"] is True
        assert left_of(here, "ann") == []
