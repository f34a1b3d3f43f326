"""The door: TLS, tokens, and which handler a call goes to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from aiohttp import BodyPartReader, web

from tests.peers.certificate import certificate
from tests.peers.proxmox import cluster, console, moments, power, qemu, storage
from tests.peers.proxmox.errors import No, bad, die
from tests.peers.proxmox.schema import CALLS, check
from tests.peers.proxmox.world import AUDITOR, TOKEN, World

API = "/api2/json"
LOOPBACK = "127.0.0.1"


@dataclass
class Call:
    """One call, as its handler sees it. `names` are the parts of its path by their letter."""

    world: World
    user: str
    names: Mapping[str, str]
    told: dict[str, str]
    file: Path | None = None
    request: web.Request | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def node(self) -> str:
        return self.names["N"]

    @property
    def vmid(self) -> int:
        if not self.names["I"].isdigit():
            raise bad(vmid=f"type check ('integer') failed - got '{self.names['I']}'")
        return int(self.names["I"])

    def flag(self, name: str) -> bool:
        return self.told.get(name) == "1"


Handler = Callable[[Call], Awaitable[Any]]
HANDLERS: dict[str, Handler] = {
    **cluster.HANDLERS, **storage.HANDLERS, **qemu.HANDLERS, **power.HANDLERS,
    **moments.HANDLERS, **console.HANDLERS,
}  # fmt: skip
assert set(CALLS) | {"POST /nodes/N/storage/S/upload"} == set(HANDLERS), "calls and handlers differ"


class Door:
    def __init__(self, world: World) -> None:
        self._world = world

    async def answer(self, request: web.Request) -> web.StreamResponse:
        try:
            user = self._user(request.headers.get("Authorization", ""))
            call, names = _route(request.method, request.raw_path.split("?")[0])
            self._world.calls.append(call)
            if user == AUDITOR[0] and request.method != "GET":
                raise No(403, f"Permission check failed (/vms/{names.get('I', '')}, VM.Allocate)")
            self._reach(names.get("N"))
            told, file = await self._told(request, call)
            made = Call(self._world, user, names, told, file, request)
            found = await HANDLERS[call](made)
            if isinstance(found, web.StreamResponse):
                return found
            answer = _json(200, "OK", {"data": found})
            assert isinstance(answer.body, bytes)
            answer.body = self._world.garble.of(answer.body)
            return answer
        except No as error:
            body: dict[str, Any] = {"data": None, "message": f"{error.reason}\n"}
            if error.errors:
                body["errors"] = error.errors
            return _json(error.status, error.reason, body)

    def _user(self, said: str) -> str:
        scheme, _, rest = said.partition("=")
        if scheme != "PVEAPIToken":
            raise No(401, "No ticket")
        user, _, secret = rest.partition("=")
        known = dict((TOKEN, AUDITOR))
        if user not in known:
            name = user.partition("!")[2]
            raise No(401, f"no such token '{name}' for user '{user.partition('!')[0]}'")
        if known[user] != secret:
            raise No(401, "invalid token value!")
        return user

    def _reach(self, node: str | None) -> None:
        if node is not None and node not in self._world.nodes:
            raise die(f"hostname lookup '{node}' failed - failed to get address info for: {node}: "
                      "Name or service not known")  # fmt: skip
        if node is not None and not self._world.nodes[node]:
            raise No(595, "No route to host")

    async def _told(self, request: web.Request, call: str) -> tuple[dict[str, str], Path | None]:
        if call.endswith("/upload"):
            return await self._parts(request)
        told = dict(request.query)
        if request.method in ("POST", "PUT"):
            told |= {name: str(value) for name, value in (await request.post()).items()}
        return check(call, told), None

    async def _parts(self, request: web.Request) -> tuple[dict[str, str], Path]:
        """A form with a file, which is kept aside until it is whole."""
        if request.content_length is None:
            raise No(501, "chunked transfer encoding not supported")
        told: dict[str, str] = {}
        path = self._world.folder / f"pveupload-{len(self._world.tasks)}-{id(request):x}"
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            if part.name != "filename":
                told[str(part.name)] = (await part.read()).decode()
                continue
            told["filename"] = str(part.filename)
            with path.open("wb") as file:
                while data := await part.read_chunk(1 << 20):
                    file.write(data)
        if "filename" not in told:
            raise bad(filename="property is missing and it is not optional")
        return told, path


def _route(method: str, path: str) -> tuple[str, dict[str, str]]:
    """The call that a path is, and the names in it."""
    parts = [unquote(one) for one in path.removeprefix(API).strip("/").split("/")]
    letters = {"nodes": "N", "storage": "S", "qemu": "I", "tasks": "U", "content": "V"}
    names, shown = {}, list(parts)
    for before, here in zip(range(len(parts)), range(1, len(parts)), strict=False):
        letter = letters.get(parts[before])
        if parts[before] == "snapshot" and here == 5:
            letter = "P"
        if letter and parts[0] == "nodes" and letter not in names:
            names[letter], shown[here] = parts[here], letter
    call = f"{method} /{'/'.join(shown)}"
    if call not in HANDLERS:
        raise No(501, f"Method '{method} /{'/'.join(parts)}' not implemented")
    return call, names


def _json(status: int, reason: str, body: Mapping[str, Any]) -> web.Response:
    return web.Response(
        status=status, reason=reason.replace("\n", " "), text=json.dumps(body),
        content_type="application/json", charset="utf-8",
    )  # fmt: skip


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[World]:
    """A new cluster on loopback."""
    world, shown = World(folder), certificate(LOOPBACK)
    app = web.Application(client_max_size=1 << 34)
    app.router.add_route("*", "/{path:.*}", Door(world).answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0, ssl_context=shown.server())
    await site.start()
    world.port, world.pin = runner.addresses[0][1], shown.pin
    try:
        yield world
    finally:
        await runner.cleanup()
        await world.end()
