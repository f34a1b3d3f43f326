"""Ids and names of a caller's choice occupy nothing that is, or will be, somebody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest

from api.errors import InvalidValue
from api.repeat import Repeats
from tests.api.everybody import House, house
from tests.tenant.world import named

PERSON = {"email": "e", "firstname": "f", "lastname": "l", "password": "p", "accounttype": "0"}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


async def test_an_id_that_is_taken_is_refused(here: House) -> None:
    vm = str(here.thing("vm"))
    for who, command, params in (
        ("ann", "startVirtualMachine", {"id": vm, "customjobid": vm}),
        ("root", "createDomain", {"name": "x", "domainid": vm}),
        ("root", "createAccount", {"username": "x", "accountid": vm} | PERSON),
        ("root", "createAccount", {"username": "x", "userid": vm} | PERSON),
    ):
        before = here.position
        status, told = await here.ask(who, command, params)
        assert (status, here.position) == (431, before), told
        assert "is taken: choose another" in told["errortext"]


async def test_an_id_that_the_engine_might_derive_is_refused(here: House) -> None:
    derived = str(uuid5(NAMESPACE_URL, "what a host has to give"))
    ask = {"id": str(here.thing("vm")), "customjobid": derived}
    status, told = await here.ask("ann", "startVirtualMachine", ask)
    assert status == 431 and "version 4" in told["errortext"]
    own = str(uuid4())
    status, told = await here.ask("ann", "startVirtualMachine", ask | {"customjobid": own})
    assert (status, told["jobid"]) == (200, own)


async def test_a_job_id_is_of_one_request(here: House) -> None:
    vm, job = str(here.thing("vm")), str(uuid4())
    ask = {"id": vm, "customjobid": job}
    status, told = await here.ask("ann", "startVirtualMachine", ask)
    assert (status, told["jobid"]) == (200, job)
    assert (await here.ask("ann", "startVirtualMachine", ask))[1]["jobid"] == job
    for command, other in (
        ("stopVirtualMachine", ask),
        ("startVirtualMachine", ask | {"considerlasthost": "false"}),
    ):
        status, told = await here.ask("ann", command, other)
        assert status == 431 and "choose a" in told["errortext"], told


async def test_a_job_id_is_of_one_request_in_another_life_too(here: House) -> None:
    """What a process remembers is gone with it; the log knows what was asked."""
    vm, job = str(here.thing("vm")), str(uuid4())
    ask = {"id": vm, "customjobid": job}
    assert (await here.ask("ann", "startVirtualMachine", ask))[0] == 200
    here.gateway.repeats = Repeats()
    before = here.position
    assert (await here.ask("ann", "startVirtualMachine", ask))[1]["jobid"] == job
    status, told = await here.ask("ann", "startVirtualMachine", ask | {"considerlasthost": "false"})
    assert (status, here.position) == (431, before)
    assert "customjobid" in told["errortext"] and "choose another" in told["errortext"], told


async def test_case_makes_no_second_name(here: House) -> None:
    """Names are looked up in any case, so two that differ in case alone would be confused."""
    for command, params in (
        ("createDomain", {"name": "ANN"}),
        ("createAccount", {"username": "Ann", "domainid": str(named("domain ann"))} | PERSON),
    ):
        status, told = await here.ask("root", command, params)
        assert status == 431 and "already exists" in told["errortext"], told


async def test_refused_requests_leave_no_keys_behind() -> None:
    repeats = Repeats(kept=10)

    async def refuse() -> Any:
        raise InvalidValue("no")

    for number in range(100):
        with pytest.raises(InvalidValue):
            await repeats.once(named("account ann"), f"key {number}", {}, refuse)
    assert len(repeats._known) <= 10
