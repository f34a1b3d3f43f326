"""A BMC that speaks Redfish, in front of a machine: from DMTF's DSP0266 and its published schemas.

It holds its clients to the protocol: a session or Basic credentials on every request but those
that open one, `If-Match` on every PATCH (428 without, 412 with an old one), bodies of the right
types (400 with extended messages), resets that its machine's state allows (409 otherwise), and
tasks for what takes long. It shares no code with the driver.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiohttp import web

from tests.peers.baremetal.machine import Machine
from tests.peers.garble import Garble

V1 = "/redfish/v1"
RESETS = ("On", "ForceOff", "GracefulShutdown", "ForceRestart")
TARGETS = ("None", "Pxe", "Hdd", "UefiHttp")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class RedfishServer:
    """`machines` by the id of their system. `serial` and `of_bmc` are where it and its manager
    tell of a serial console. `starting` is a BMC that does not know the power yet. `monitors` are
    what it answers, at first, to those who ask how far a task is: statuses, and when to come again.
    """

    machines: dict[str, Machine]
    user: str = "admin"
    password: str = "secret"
    sessions_offered: bool = True
    tokens: set[str] = field(default_factory=set)
    bios: dict[str, Any] = field(default_factory=lambda: {"SriovEnable": False, "BootMode": "Bios"})
    volumes: list[dict[str, Any]] = field(default_factory=list)
    tasks: dict[str, int] = field(default_factory=dict)
    said: dict[str, tuple[str, float]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    hangs: asyncio.Event = field(default_factory=asyncio.Event)
    garble: Garble = field(default_factory=Garble)
    serial: dict[str, Any] = field(
        default_factory=lambda: {"SSH": {"ServiceEnabled": True, "Port": 2200}}
    )
    of_bmc: dict[str, Any] = field(default_factory=dict)
    starting: bool = False
    monitors: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hangs.set()

    def expire(self) -> None:
        """Every session is over."""
        self.tokens.clear()

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guarded])
        system = f"{V1}/Systems/{{id}}"
        app.add_routes(
            [
                web.get(f"{V1}/", self._root),
                web.post(f"{V1}/SessionService/Sessions", self._open),
                web.delete(f"{V1}/SessionService/Sessions/{{token}}", self._end),
                web.get(f"{V1}/Systems", self._systems),
                web.get(system, self._system),
                web.patch(system, self._patch_system),
                web.post(f"{system}/Actions/ComputerSystem.Reset", self._reset),
                web.get(f"{system}/EthernetInterfaces", self._cards),
                web.get(f"{system}/EthernetInterfaces/1", self._card),
                web.get(f"{system}/Bios", self._bios),
                web.get(f"{system}/Bios/Settings", self._bios_settings),
                web.patch(f"{system}/Bios/Settings", self._patch_bios),
                web.get(f"{system}/Storage", self._storages),
                web.get(f"{system}/Storage/RAID", self._storage),
                web.get(f"{system}/Storage/RAID/Volumes", self._volumes),
                web.post(f"{system}/Storage/RAID/Volumes", self._make_volume),
                web.get(f"{V1}/TaskService/TaskMonitors/{{task}}", self._monitor),
                web.get(f"{V1}/Managers/1", self._manager),
                web.get(f"{V1}/Chassis/1", self._chassis),
                web.get(f"{V1}/Chassis/1/Thermal", self._thermal),
                web.get(f"{V1}/Chassis/1/Power", self._power),
            ]
        )
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        await self.hangs.wait()
        opens = request.method == "POST" and request.path == f"{V1}/SessionService/Sessions"
        if not opens and request.path != f"{V1}/" and not self._known(request):
            return failed(401, "NoValidSession", "There is no valid session established.")
        try:
            answer = await handler(request)
            assert isinstance(answer, web.Response)
            if isinstance(answer.body, bytes):
                answer.body = self.garble.of(answer.body)
            return answer
        except web.HTTPNotFound:
            return failed(404, "ResourceNotFound", f"{request.path} was not found.")
        except web.HTTPMethodNotAllowed:
            return failed(405, "OperationNotAllowed", "The method is not allowed.")

    def _known(self, request: web.Request) -> bool:
        if request.headers.get("X-Auth-Token") in self.tokens:
            return True
        wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return request.headers.get("Authorization") == f"Basic {wanted}"

    async def _open(self, request: web.Request) -> web.Response:
        if not self.sessions_offered:
            raise web.HTTPNotFound
        body = await request.json()
        if (body.get("UserName"), body.get("Password")) != (self.user, self.password):
            return failed(401, "ResourceAtUriUnauthorized", "Wrong user name or password.")
        token = uuid4().hex
        self.tokens.add(token)
        at = f"{V1}/SessionService/Sessions/{token}"
        return web.json_response(
            {"@odata.id": at}, status=201, headers={"X-Auth-Token": token, "Location": at}
        )

    async def _end(self, request: web.Request) -> web.Response:
        self.tokens.discard(request.match_info["token"])
        return web.Response(status=204)

    # ---- systems -----------------------------------------------------------------------------

    async def _root(self, request: web.Request) -> web.Response:
        return shown({"RedfishVersion": "1.15.0", "Systems": link(f"{V1}/Systems")})

    async def _systems(self, request: web.Request) -> web.Response:
        return shown(collection(f"{V1}/Systems/{one}" for one in self.machines))

    def _machine(self, request: web.Request) -> tuple[str, Machine]:
        name = request.match_info["id"]
        if name not in self.machines:
            raise web.HTTPNotFound
        return name, self.machines[name]

    def _power_of(self, name: str, machine: Machine) -> str | None:
        """What is true, unless the BMC is late or lies."""
        if self.starting:
            return None
        now = asyncio.get_running_loop().time()
        true = "On" if machine.on else "Off"
        before, since = self.said.get(name, (true, 0.0))
        if before != true and since == 0.0:
            since = now
        if before != true and now - since < machine.faults.late_s:
            self.said[name] = (before, since)
            return before
        self.said[name] = (true, 0.0)
        return "Off" if machine.faults.denies else true

    def _shown(self, name: str, machine: Machine) -> dict[str, Any]:
        at = f"{V1}/Systems/{name}"
        enabled = "Disabled" if machine.target == "None" else "Continuous"
        return {
            "@odata.id": at,
            "Id": name,
            "UUID": machine.uuid,
            "Manufacturer": "Stand-in",
            "Model": "R1",
            "BiosVersion": "1.2.3",
            "PowerState": self._power_of(name, machine),
            "Status": {"State": "Enabled", "Health": "OK"},
            "Boot": {
                "BootSourceOverrideTarget": machine.target,
                "BootSourceOverrideEnabled": "Once" if machine.once else enabled,
                "BootSourceOverrideTarget@Redfish.AllowableValues": list(TARGETS),
            },
            "Actions": {
                "#ComputerSystem.Reset": {
                    "target": f"{at}/Actions/ComputerSystem.Reset",
                    "ResetType@Redfish.AllowableValues": list(RESETS),
                }
            },
            "EthernetInterfaces": link(f"{at}/EthernetInterfaces"),
            "Bios": link(f"{at}/Bios"),
            "Storage": link(f"{at}/Storage"),
            **({"SerialConsole": self.serial} if self.serial else {}),
            "Links": {
                "Chassis": [link(f"{V1}/Chassis/1")],
                "ManagedBy": [link(f"{V1}/Managers/1")],
            },
        }

    async def _system(self, request: web.Request) -> web.Response:
        return shown(self._shown(*self._machine(request)))

    async def _patch_system(self, request: web.Request) -> web.Response:
        name, machine = self._machine(request)
        if (wrong := stale(request, self._shown(name, machine))) is not None:
            return wrong
        boot = (await request.json()).get("Boot")
        if not isinstance(boot, dict):
            return failed(400, "PropertyMissing", "Boot is missing.")
        target = boot.get("BootSourceOverrideTarget")
        enabled = boot.get("BootSourceOverrideEnabled")
        if target not in TARGETS:
            return failed(400, "PropertyValueNotInList", f"{target} is not in the list.")
        if enabled not in ("Once", "Continuous", "Disabled"):
            return failed(400, "PropertyValueNotInList", f"{enabled} is not in the list.")
        machine.target, machine.once = target, enabled == "Once"
        return web.Response(status=204)

    async def _reset(self, request: web.Request) -> web.Response:
        _, machine = self._machine(request)
        kind = (await request.json()).get("ResetType")
        if kind not in RESETS:
            return failed(400, "ActionParameterNotSupported", f"ResetType {kind} is not supported.")
        if kind in ("GracefulShutdown", "ForceRestart") and not machine.on:
            return failed(409, "ResourceInStandby", "The system is off.")
        if kind == "On":
            machine.turn_on()
        elif kind == "ForceOff":
            await machine.turn_off()
        elif kind == "ForceRestart":
            await machine.reset()
        else:
            machine.press()
        return web.Response(status=204)

    async def _cards(self, request: web.Request) -> web.Response:
        name, _ = self._machine(request)
        return shown(collection([f"{V1}/Systems/{name}/EthernetInterfaces/1"]))

    async def _card(self, request: web.Request) -> web.Response:
        return shown({"Id": "1", "MACAddress": self._machine(request)[1].mac.upper()})

    # ---- firmware and RAID -------------------------------------------------------------------

    async def _bios(self, request: web.Request) -> web.Response:
        name, _ = self._machine(request)
        at = f"{V1}/Systems/{name}/Bios"
        return shown(
            {
                "Attributes": self.bios,
                "@Redfish.Settings": {"SettingsObject": link(f"{at}/Settings")},
            }
        )

    async def _bios_settings(self, request: web.Request) -> web.Response:
        return shown({"Attributes": self.bios})

    async def _patch_bios(self, request: web.Request) -> web.Response:
        if (wrong := stale(request, {"Attributes": self.bios})) is not None:
            return wrong
        change = (await request.json()).get("Attributes") or {}
        for name, value in change.items():
            if name not in self.bios:
                return failed(400, "PropertyUnknown", f"{name} is no attribute.")
            if type(value) is not type(self.bios[name]):
                return failed(400, "PropertyValueTypeError", f"{name} has another type.")
        self.bios |= change
        return web.Response(status=204)

    async def _storages(self, request: web.Request) -> web.Response:
        return shown(collection([f"{request.path}/RAID"]))

    async def _storage(self, request: web.Request) -> web.Response:
        drives = [link(f"{request.path}/Drives/{n}") for n in range(2)]
        return shown({"Drives": drives, "Volumes": link(f"{request.path}/Volumes")})

    async def _volumes(self, request: web.Request) -> web.Response:
        return shown(collection(f"{request.path}/{n}" for n in range(len(self.volumes))))

    async def _make_volume(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("RAIDType") not in ("RAID0", "RAID1"):
            return failed(400, "PropertyValueNotInList", f"{body.get('RAIDType')}: no such RAID.")
        if not (body.get("Links") or {}).get("Drives"):
            return failed(400, "PropertyMissing", "Links/Drives is missing.")
        self.volumes.append(body)
        task = uuid4().hex
        self.tasks[task] = 2
        at = f"{V1}/TaskService/TaskMonitors/{task}"
        return web.json_response({}, status=202, headers={"Location": at, "Retry-After": "0"})

    async def _monitor(self, request: web.Request) -> web.Response:
        if self.monitors:
            status, after = self.monitors.pop(0)
            return web.json_response({}, status=status, headers={"Retry-After": after})
        task = request.match_info["task"]
        left = self.tasks.get(task)
        if left is None:
            raise web.HTTPNotFound
        if left > 0:
            self.tasks[task] = left - 1
            running = {"TaskState": "Running"}
            return web.json_response(running, status=202, headers={"Retry-After": "0"})
        return shown({"TaskState": "Completed"})

    async def _chassis(self, request: web.Request) -> web.Response:
        at = f"{V1}/Chassis/1"
        return shown({"Thermal": link(f"{at}/Thermal"), "Power": link(f"{at}/Power")})

    async def _manager(self, request: web.Request) -> web.Response:
        return shown({"@odata.id": f"{V1}/Managers/1", "Id": "1", "SerialConsole": self.of_bmc})

    async def _thermal(self, request: web.Request) -> web.Response:
        return shown(
            {
                "Temperatures": [
                    {"Name": "Inlet", "ReadingCelsius": 23, "Status": {"Health": "OK"}}
                ],
                "Fans": [{"Name": "Fan 1", "Reading": 5400, "ReadingUnits": "RPM"}],
            }
        )

    async def _power(self, request: web.Request) -> web.Response:
        return shown({"PowerControl": [{"Name": "Power", "PowerConsumedWatts": 180}]})


def link(path: str) -> dict[str, str]:
    return {"@odata.id": path}


def collection(paths: Any) -> dict[str, Any]:
    members = [link(path) for path in paths]
    return {"Members": members, "Members@odata.count": len(members)}


def etag(shows: dict[str, Any]) -> str:
    text = json.dumps(shows, sort_keys=True).encode()
    return f'W/"{hashlib.sha256(text).hexdigest()[:16]}"'


def shown(shows: dict[str, Any]) -> web.Response:
    return web.json_response(shows, headers={"ETag": etag(shows), "OData-Version": "4.0"})


def stale(request: web.Request, shows: dict[str, Any]) -> web.Response | None:
    given = request.headers.get("If-Match")
    if given is None:
        return failed(428, "PreconditionRequired", "If-Match is required.")
    if given != etag(shows):
        return failed(412, "PreconditionFailed", "The ETag does not match.")
    return None


def failed(status: int, name: str, words: str) -> web.Response:
    more = [{"MessageId": f"Base.1.15.{name}", "Message": words, "Resolution": "Try otherwise."}]
    error = {"code": f"Base.1.15.{name}", "message": words, "@Message.ExtendedInfo": more}
    return web.json_response({"error": error}, status=status)


@asynccontextmanager
async def serving(server: RedfishServer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve on a port of its own, with its machines plugged in; they go when it does."""
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    async with asyncio.TaskGroup() as group:
        for machine in server.machines.values():
            machine.plug_in(group)
        try:
            yield int(runner.addresses[0][1])
        finally:
            server.hangs.set()
            for machine in server.machines.values():
                machine.faults.sticks = False
                await machine.turn_off()
            await runner.cleanup()
