"""Where machines boot from: HTTP for the agent, its orders and images; DHCP and TFTP by dnsmasq.

One of these serves one provisioning interface. What a machine may fetch is known by the token
that its boot script gave it, which is new at each boot.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, ip_interface
from pathlib import Path

from aiohttp import web

from drivers.baremetal import agent_report
from drivers.baremetal.agents import Agent
from drivers.baremetal.dhcp import Dhcp
from drivers.baremetal.installing import Installing, answer
from drivers.contract.errors import Refused, Unavailable

IPXE = Path("/usr/lib/ipxe")
FILES = {"undionly.kpxe": IPXE, "ipxe.efi": IPXE, "snponly.efi": IPXE}
CMDLINE = "console=tty0 console=ttyS0,115200 quiet panic=10"
LOCAL = "#!ipxe\nsanboot --no-describe --drive 0x80 || exit 1\n"
REPORT_MAX_BYTES = 1 << 20


@dataclass
class Booting:
    """What a machine is to boot, and how far it has come: what a person needs to know."""

    agent: Agent
    token: str
    wanted: bool = False
    scripts: int = 0
    strays: int = 0
    uefi: bool = False
    installing: Installing | None = None
    ip4: str = ""
    saved: Callable[[], None] = lambda: None


@dataclass
class Provision:
    """One interface's services. `url` is where machines find us."""

    interface: str
    port: int
    files: Path
    dhcp: Dhcp | None
    booting: dict[str, Booting] = field(default_factory=dict)
    on_hello: dict[str, Callable[[], None]] = field(default_factory=dict)
    at: IPv4Interface | None = None
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        assert self.at is not None, "not started"
        return f"http://{self.at.ip}:{self.port}"

    async def start(self) -> None:
        """Serve; what serves already is success."""
        if self._runner is None:
            self.at = await address_of(self.interface)
            app = web.Application(client_max_size=REPORT_MAX_BYTES)
            app.add_routes(
                [
                    web.get("/boot/{mac}", self._boot),
                    web.get("/files/{name}", self._file),
                    web.post("/agent/{token}/hello", self._hello),
                    web.get("/agent/{token}/order", self._order),
                    web.post("/agent/{token}/progress/{number}", self._progress),
                    web.post("/agent/{token}/done/{number}", self._done),
                    web.get("/agent/{token}/data/{number}", self._data),
                    web.get("/install/{token}/{what}", self._install),
                    web.post("/install/{token}/{what}", self._install),
                ]
            )
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            try:
                await web.TCPSite(runner, str(self.at.ip), self.port).start()
            except OSError as error:
                await runner.cleanup()
                raise Unavailable(
                    f"{self.at.ip}:{self.port} on {self.interface} cannot be served from: {error}; "
                    "is another controller there? http= in the host's URL names another port"
                ) from error
            self._runner = runner
            if self.dhcp is not None:
                self.dhcp.on(self.at)

    async def close(self) -> None:
        if self.dhcp is not None:
            await self.dhcp.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    # ---- what machines ask -----------------------------------------------------------------

    async def _boot(self, request: web.Request) -> web.Response:
        """The script of a machine that boots over the network: the agent, or its own disk."""
        mac = request.match_info["mac"].lower().replace("-", ":")
        booting = self.booting.get(mac)
        if booting is not None and booting.ip4 not in ("", request.remote):
            raise web.HTTPForbidden(text="this is another machine's\n")
        if booting is not None and (one := booting.installing) is not None:
            return self._boot_installer(booting, one)
        if booting is None or not booting.wanted:
            if booting is not None:
                booting.strays += 1
            return web.Response(text=LOCAL)
        booting.scripts += 1
        line = f"{CMDLINE} sagastack.url={self.url}/agent/{booting.token} sagastack.mac={mac}"
        initrd = " initrd=agent.gz" if booting.uefi else ""
        return web.Response(
            text=f"#!ipxe\nkernel {self.url}/files/vmlinuz{initrd} {line}\n"
            f"initrd {self.url}/files/agent.gz\nboot\n"
        )

    def _boot_installer(self, booting: Booting, one: Installing) -> web.Response:
        """A machine that comes back after it had its answers has its system installed."""
        one.came, one.returned = True, one.fetched or one.is_over
        booting.saved()
        text = LOCAL if one.returned else one.script(self.url, uefi=booting.uefi)
        return web.Response(text=text)

    async def _install(self, request: web.Request) -> web.StreamResponse:
        token, what = request.match_info["token"], request.match_info["what"]
        for mac, booting in self.booting.items():
            one = booting.installing
            if one is None or one.is_over:
                continue
            if hmac.compare_digest(one.token.encode(), token.encode()):
                if booting.ip4 not in ("", request.remote):
                    raise web.HTTPForbidden(text="this is another machine's\n")
                said = await request.text() if request.method == "POST" else ""
                response = answer(one, what, name=mac, said=said)
                booting.saved()
                return response
        raise web.HTTPGone(text="this installation is over\n")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in ("vmlinuz", "agent.gz", *FILES):
            raise web.HTTPNotFound
        path = FILES.get(name, self.files) / name
        if not path.exists():
            raise web.HTTPNotFound
        return web.FileResponse(path)

    async def _hello(self, request: web.Request) -> web.Response:
        booting = self._known(request)
        booting.agent.hello(agent_report.parse(await request.text()))
        booting.wanted = False
        for mac, one in self.booting.items():
            if one is booting and mac in self.on_hello:
                self.on_hello[mac]()
        return web.Response(text="ok\n")

    async def _order(self, request: web.Request) -> web.Response:
        agent = self._known(request).agent
        order = await agent.next_order()
        return web.Response(text=f"{order.line}\n" if order else "0 wait\n")

    async def _progress(self, request: web.Request) -> web.Response:
        agent = self._known(request).agent
        agent.heard()
        order, said = agent.find(int(request.match_info["number"])), await request.text()
        if order is not None and said.strip().isdigit():
            order.progress = int(said)
        return web.Response(text="ok\n")

    async def _done(self, request: web.Request) -> web.Response:
        said = (await request.text()).strip()[:400]
        self._known(request).agent.finish(int(request.match_info["number"]), said)
        return web.Response(text="ok\n")

    async def _data(self, request: web.Request) -> web.StreamResponse:
        order = self._known(request).agent.find(int(request.match_info["number"]))
        if order is None or order.payload is None:
            raise web.HTTPGone(text="there is no such order any more\n")
        if isinstance(order.payload, bytes):
            return web.Response(body=order.payload)
        return web.FileResponse(order.payload)

    def _known(self, request: web.Request) -> Booting:
        token = request.match_info["token"]
        for one in self.booting.values():
            if one.token == token:
                return one
        raise web.HTTPGone(text="another agent has been booted since, or none was asked for\n")


async def address_of(interface: str) -> IPv4Interface:
    """The controller's own IPv4 address on an interface, and its network."""
    process = await asyncio.create_subprocess_exec(
        *("ip", "-j", "-4", "address", "show", "dev", interface),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(10):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        raise Unavailable(f"`ip address show dev {interface}` does not end") from None
    if process.returncode != 0:
        raise Refused(
            f"the controller has no interface {interface} (provision= in the host's URL): "
            f"{err.decode(errors='replace').strip()}"
        )
    for link in json.loads(out or b"[]"):
        for one in link.get("addr_info", ()):
            found = ip_interface(f"{one['local']}/{one['prefixlen']}")
            assert isinstance(found, IPv4Interface)
            return found
    raise Refused(f"interface {interface} has no IPv4 address: give it one, machines boot from it")
