"""Nobody's guest comes onto the networks of an account that ends, and none of them ends with it."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cs import CloudStackApiException

from engine.log import Unit
from tests.tenant.test_refusals import refusal
from tests.tenant.test_vm_life import DEPLOY, deploy
from tests.tenant.world import ISOLATED, ZONE, Client, Place, place


async def lend(here: Place, owner: Client, **whose: str) -> str:
    """A network that bob may use."""
    where = {"zoneid": str(ZONE), "networkofferingid": ISOLATED}
    made = (await owner("createNetwork", name="lent", **where, **whose))["network"]["id"]
    await here.admin("createNetworkPermissions", networkid=made, accountids=here.account("bob"))
    return str(made)


async def going(here: Place, what: str) -> tuple[str, dict[str, Any]]:
    """A network of what can be deleted, with a guest whose end takes its time, and how it goes."""
    if what == "project":
        made = (await here.ann.job("createProject", name="p", displaytext="p"))["project"]
        mine = {"projectid": made["id"]}
        network = await lend(here, here.ann, **mine)
        await deploy(here.ann, **mine)
        return network, {"command": "deleteProject", "id": made["id"], "cleanup": True}
    network = await lend(here, here.ann)
    await deploy(here.ann)
    account = here.account("ann")
    if what == "account":
        return network, {"command": "deleteAccount", "id": account}
    domain = (await here.admin.one("listAccounts", "account", id=account))["domainid"]
    return network, {"command": "deleteDomain", "id": domain, "cleanup": True}


@pytest.mark.parametrize("what", ["account", "domain", "project"])
async def test_who_comes_to_the_network_of_one_that_ends_is_refused(
    tmp_path: Path, what: str
) -> None:
    """The guest parked the job that ends its network's owner, or was ended with it."""
    async with place(tmp_path, delay_s="0.3") as here:
        network, ask = await going(here, what)
        vm_id = (await deploy(here.bob))["id"]
        begun = await here.admin(**ask)
        for command, params in (
            ("deployVirtualMachine", DEPLOY | {"networkids": network}),
            ("addNicToVirtualMachine", {"virtualmachineid": vm_id, "networkid": network}),
        ):
            told = await refusal(here.bob, command, **params)
            assert "is being deleted" in told["errortext"], command
            assert "lent" in told["errortext"] and "take another network" in told["errortext"]
        assert (await here.admin.ended(begun["jobid"]))["success"] is True
        vm = await here.bob.one("listVirtualMachines", "virtualmachine")
        assert (vm["id"], len(vm["nic"])) == (vm_id, 1)


async def test_who_is_about_to_come_is_waited_for_as_who_is_there(tmp_path: Path) -> None:
    async with place(tmp_path, delay_s="0.3") as here:
        network, ask = await going(here, "account")
        vm_id = (await deploy(here.bob, name="guest"))["id"]
        card = {"virtualmachineid": vm_id, "networkid": network}
        coming = await here.bob("addNicToVirtualMachine", **card)
        told = await refusal(here.admin, **ask)
        assert "guests of others are on its networks, 1 in all (guest of bob)" in told["errortext"]
        assert len((await here.bob.ended(coming["jobid"]))["virtualmachine"]["nic"]) == 2


@pytest.mark.parametrize("what", ["account", "domain", "project"])
@pytest.mark.parametrize("guest_first", [True, False])
async def test_one_that_comes_as_the_owner_goes_finds_that_or_is_found(
    here: Place, what: str, guest_first: bool
) -> None:
    """Each is decided before the other is written: the second of them decides again."""
    network, ask = await going(here, what)
    log, held = here.controller.engine._log, asyncio.Event()
    real, kept = log.submit, list[tuple[Unit, asyncio.Future[Any]]]()
    wanted = {"VM.CREATE", f"{what.upper()}.DELETE"}

    def hold_back(unit: Unit) -> asyncio.Future[Any]:
        if unit.action not in wanted:
            return real(unit)
        wanted.remove(unit.action)
        kept.append((unit, asyncio.get_running_loop().create_future()))
        if not wanted:
            for one, promise in kept:
                real(one).add_done_callback(partial(pass_on, promise))
        held.set()
        return kept[-1][1]

    def pass_on(promise: asyncio.Future[Any], done: asyncio.Future[Any]) -> None:
        if (error := done.exception()) is not None:
            promise.set_exception(error)
        else:
            promise.set_result(done.result())

    async def told(client: Client, **ask: Any) -> str:
        try:
            await client.job(**ask)
        except CloudStackApiException as refused:
            return str(refused.error)
        return ""

    log.submit = hold_back  # type: ignore[method-assign]
    deploying = DEPLOY | {"command": "deployVirtualMachine", "networkids": network}
    coming, goes = told(here.bob, **deploying), told(here.admin, **ask)
    first = asyncio.create_task(coming if guest_first else goes)
    await held.wait()
    said = [await (goes if guest_first else coming), await first]
    assert not wanted
    assert sorted(map(bool, said)) == [False, True], said
    assert any(words in max(said) for words in ("is being deleted", "guests of others")), said
