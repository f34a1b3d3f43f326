"""A serial line through the door: a ticket opens it once, for whoever may operate the machine.

The line is one that shouts back; those of real machines are in `tests/drivers/test_baremetal_sol`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
import pytest
from cs import CloudStackApiException

from drivers.contract.compute import Console
from drivers.contract.errors import Refused
from drivers.sim.session import SimSession
from sagastack.face import Face
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import Place

ANSWER_S = 120.0


class Shouting:
    """A line that gives back in capitals what is typed, for one listener."""

    held = False

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    @classmethod
    async def open(cls) -> Shouting:
        if cls.held:
            raise Refused("the serial line is open in another window")
        cls.held = True
        return cls()

    async def read(self) -> bytes:
        return await self.heard.get()

    async def write(self, data: bytes) -> None:
        await self.heard.put(data.upper())

    async def close(self) -> None:
        type(self).held = False


@pytest.fixture
def shouting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def console(self: SimSession, guest_id: UUID) -> Console:
        return Console(url="ipmi-sol://192.0.2.1", protocol="sol", line=Shouting.open)

    monkeypatch.setattr(SimSession, "console", console)
    monkeypatch.setattr(Shouting, "held", False)


@asynccontextmanager
async def entered(told: dict[str, Any]) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """As a browser does with what createConsoleEndpoint said."""
    at = told["websocket"]
    url = f"http://{at['host']}:{at['port']}{at['path']}"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        await socket.send_str(at["token"])
        yield socket


async def said(socket: aiohttp.ClientWebSocketResponse) -> str | bytes:
    message = await socket.receive(timeout=ANSWER_S)
    assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
    data: str | bytes = message.data
    return data


@pytest.mark.usefixtures("shouting")
async def test_a_ticket_opens_the_line_once_for_its_user(here: Place) -> None:
    vm = await deploy(here.ann)
    with pytest.raises(CloudStackApiException):
        await here.bob("createConsoleEndpoint", virtualmachineid=vm["id"])
    answer = await here.ann("createConsoleEndpoint", virtualmachineid=vm["id"])
    told = answer["consoleendpoint"]
    parts = urlsplit(told["url"])
    assert told["success"] and parts.fragment == told["websocket"]["token"]
    assert parts.path == f"/client/console/{vm['id']}" and parts.query == ""
    async with aiohttp.ClientSession() as http, http.get(told["url"]) as page:
        assert page.status == 200 and "nonce-" in page.headers["Content-Security-Policy"]
        assert told["websocket"]["token"] not in await page.text()
    wrong = told | {"websocket": told["websocket"] | {"token": "x"}}
    async with entered(wrong) as socket:
        assert "no such ticket" in str(await said(socket))
    async with entered(told) as socket:
        await socket.send_bytes(b"hello")
        assert await said(socket) == b"HELLO"
        async with entered(told) as again:
            assert "no such ticket" in str(await said(again))
        more = await here.ann("createConsoleEndpoint", virtualmachineid=vm["id"])
        async with entered(more["consoleendpoint"]) as second:
            assert "another window" in str(await said(second))
    more = await here.ann("createConsoleEndpoint", virtualmachineid=vm["id"])
    async with entered(more["consoleendpoint"]) as socket:
        await socket.send_str("free again")
        assert await said(socket) == b"FREE AGAIN"


@pytest.mark.usefixtures("shouting")
async def test_of_two_who_come_with_one_ticket_at_once_one_gets_in(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read it before either has taken it, as two controllers may."""
    vm = await deploy(here.ann)
    told = (await here.ann("createConsoleEndpoint", virtualmachineid=vm["id"]))["consoleendpoint"]
    read, both = Face.secret, asyncio.Barrier(2)

    async def read_by_both(self: Face, ref: str) -> str:
        ticket = await read(self, ref)
        await both.wait()
        return ticket

    monkeypatch.setattr(Face, "secret", read_by_both)
    async with entered(told) as one, entered(told) as other:
        for socket in (one, other):
            await socket.send_bytes(b"hello")
        first, second = [await said(socket) for socket in (one, other)]
    assert {first, second} == {b"HELLO", "this ticket has just been used: ask for a console again"}


@pytest.mark.usefixtures("shouting")
async def test_a_visit_ends_with_the_machine_and_with_the_users_rights(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sagastack.console_door.LOOK_S", 0.05)
    vm = await deploy(here.ann)
    answer = await here.ann("createConsoleEndpoint", virtualmachineid=vm["id"])
    async with entered(answer["consoleendpoint"]) as socket:
        await socket.send_bytes(b"on")
        assert await said(socket) == b"ON"
        stopped = await here.ann("stopVirtualMachine", id=vm["id"], forced=True)
        await here.ann.ended(stopped["jobid"])
        assert "was stopped" in str(await said(socket))
    started = await here.ann("startVirtualMachine", id=vm["id"])
    await here.ann.ended(started["jobid"])
    answer = await here.ann("createConsoleEndpoint", virtualmachineid=vm["id"])
    await here.admin("disableUser", id=await user_of(here))
    async with entered(answer["consoleendpoint"]) as socket:
        assert "may not come in" in str(await said(socket))


async def user_of(here: Place) -> str:
    found = await here.admin("listUsers", accounttype=0, listall=True)
    return str(next(one["id"] for one in found["user"] if one["account"] == "ann"))
