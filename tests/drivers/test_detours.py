"""A token or a password goes nowhere but where the operator says, whoever sends on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from yarl import URL

from drivers.baremetal.address import parse
from drivers.baremetal.redfish import Service
from drivers.contract.compute import HostAddress
from drivers.contract.errors import Refused
from drivers.hyperv.address import Route
from drivers.hyperv.line import Line, LineDown
from drivers.kit.tls import Trust
from drivers.vsphere.files import Files
from drivers.xapi import transfer, vdis
from drivers.xapi.marks import Kind
from drivers.xapi.repositories import Repository
from tests.drivers.harness_xapi import XapiHarness, harness

MIB = 1024**2


@dataclass
class Elsewhere:
    """An address that nobody named, and one that sends on to it, or within itself, by `status`."""

    status: int = 307
    within: bool = False
    port: int = 0
    heard: list[str] = field(default_factory=list)

    async def send_on(self, request: web.Request) -> web.StreamResponse:
        self.heard.append(f"{request.host} {request.method} {request.path}")
        if request.path.startswith("/elsewhere"):
            return web.json_response({"Members": [{"@odata.id": "/found"}]})
        host = "127.0.0.1" if self.within else "localhost"
        to = f"http://{host}:{self.port}/elsewhere"
        return web.Response(status=self.status, headers={"Location": to})

    @property
    def reached(self) -> list[str]:
        return [one for one in self.heard if "/elsewhere" in one]


@asynccontextmanager
async def sending_on(one: Elsewhere) -> AsyncIterator[Elsewhere]:
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", one.send_on)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.port = runner.addresses[0][1]
    try:
        yield one
    finally:
        await runner.cleanup()


def service(port: int) -> Service:
    url = f"redfish+http://127.0.0.1:{port}/?mac=52:54:00:00:00:01&provision=lo&dhcp=no"
    return Service(parse(HostAddress(url=url, username="admin", password="secret")), Trust())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_bmc_leads_nobody_to_another_address(status: int) -> None:
    async with sending_on(Elsewhere(status)) as there:
        bmc = service(there.port)
        with pytest.raises(Refused, match=r"sends on to .*let the host's URL say"):
            await bmc.members("/redfish/v1/Systems")
        await bmc.close()
        assert there.heard
        assert not there.reached


async def test_a_bmc_may_lead_to_another_path_of_its_own() -> None:
    """Some have what the standard names without a slash behind one, and say so."""
    async with sending_on(Elsewhere(308, within=True)) as there:
        bmc = service(there.port)
        assert await bmc.members("/redfish/v1/Systems") == ["/found"]
        await bmc.close()


async def test_a_datastore_leads_nobody_to_another_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = SimpleNamespace(server="v.test", trust=Trust(), host="127.0.0.1", port=0)
    vcenter: Any = SimpleNamespace(place=place, cookie="vmware_soap_session=1", tls=True)
    async with sending_on(Elsewhere(302)) as there:
        files = Files(vcenter)
        at = URL(f"http://127.0.0.1:{there.port}/folder/disk.vmdk")
        monkeypatch.setattr(files, "_url", lambda *_: at)
        store: Any = None
        for ask in (
            files.text(store, "a"),
            files.put_text(store, "a", "b"),
            files.exists(store, "a"),
        ):
            with pytest.raises(Refused, match=r"sends on to .*name the vCenter itself"):
                await ask
        await files.close()
        assert not there.reached


async def test_a_windows_host_leads_nobody_to_another_address() -> None:
    async with sending_on(Elsewhere(307)) as there:
        route = Route("127.0.0.1", there.port, False, "ntlm", Trust(), "hyperv+http")
        line = Line(route, "admin", "secret", connect_s=5)
        with pytest.raises(LineDown):
            await asyncio.to_thread(line.open)
        assert there.heard
        assert not there.reached


@pytest.fixture
async def site() -> AsyncIterator[XapiHarness]:
    async with harness() as one:
        assert isinstance(one, XapiHarness)
        yield one


async def test_a_session_of_a_pool_is_told_to_its_members_alone(
    site: XapiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: Any = await site.driver.connect(site.of(0))
    world = site.world
    sr = world.add_sr("local", kind="ext", hosts=[world.hosts[1]])
    place = Repository(sr, world.store.get("SR", sr)["uuid"])
    vdi = await vdis.begin(session.line, place, Kind.VOLUME, uuid4(), 2 * MIB)
    real = world.url
    async with sending_on(Elsewhere()) as there:
        monkeypatch.setattr(world, "url", lambda host: f"http://localhost:{there.port}")
        first = world.address(world.hosts[0])
        with pytest.raises(Refused, match=re.escape("localhost, which is no member of the pool")):
            await transfer.written(session.line, first, vdi, b"secret", "")
        monkeypatch.setattr(world, "url", real)
        assert not there.heard
    await vdis.destroy(session.line, vdi)
