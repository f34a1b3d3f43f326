"""What a region holds, and how its services answer: tables, times, errors and faults on demand.

Written from OpenStack's published API references and guides; it shares nothing with the driver.
Things take a moment here as they do there: `later` makes them happen after the answer was given.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from aiohttp import web

from tests.peers.garble import Garble

Row = dict[str, Any]


@dataclass
class User:
    """Someone with a role in one project."""

    name: str
    password: str
    project: str
    is_admin: bool = False
    user_id: str = field(default_factory=lambda: uuid4().hex)


@dataclass
class Host:
    """A compute host with the room that it has."""

    name: str
    vcpus: int = 8
    memory_mb: int = 16_384
    hypervisor_id: str = field(default_factory=lambda: str(uuid4()))
    service_id: str = field(default_factory=lambda: str(uuid4()))


@dataclass
class Fault:
    """What the next requests of a kind meet instead of a service: an answer, or a cut line."""

    method: str
    path: str
    status: int = 0
    body: Row = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    after: bool = False
    delay_s: float = 0.0


USER = web.RequestKey("user", User)
ADMIN = web.RequestKey("admin", bool)
PROJECT = web.RequestKey("project", str)
VERSION = web.RequestKey("version", tuple)


class Region:
    """All state of a region. `public` is where clients find it; `moment_s` how long things take.

    A retype takes `retype_s`, and fails if `retype_fault` says why. Nova writes down that a volume
    was swapped once `swaps_recorded` is set.
    """

    def __init__(self, folder: Path, *, moment_s: float = 0.01, shutdown_s: float = 0.05) -> None:
        self.folder, self.moment_s, self.shutdown_s = folder, moment_s, shutdown_s
        self.name, self.public = "RegionOne", ""
        self.project_ids = {"cloud": uuid4().hex, "other": uuid4().hex}
        self.users = [
            User("sagastack", "correct horse", "cloud", is_admin=True),
            User("member", "battery staple", "cloud"),
            User("stranger", "someone else's", "other", is_admin=True),
        ]
        self.token_s = 3600.0
        self.key_pairs: dict[str, str] = {}
        self.consoles = {"novnc": "vnc", "serial": "serial"}
        self.tokens: dict[str, tuple[User, float]] = {}
        self.services = ["compute", "image", "network", "block-storage", "placement"]
        self.newest_compute = "2.96"
        self.hosts = [Host("compute1"), Host("compute2")]
        self.servers: dict[str, Row] = {}
        self.flavors: dict[str, Row] = {}
        self.images: dict[str, Row] = {}
        self.networks: dict[str, Row] = {}
        self.subnets: dict[str, Row] = {}
        self.ports: dict[str, Row] = {}
        self.volumes: dict[str, Row] = {}
        self.messages: list[Row] = []
        self.volume_types = [
            {"id": str(uuid4()), "name": name, "extra_specs": {"volume_backend_name": name}}
            for name in ("fast", "slow")
        ]
        self.pool_gib = 200
        self.retype_s, self.retype_fault = moment_s, ""
        self.swaps_recorded = asyncio.Event()
        self.swaps_recorded.set()
        self.quota = {"cores": 20, "ram": 51_200, "instances": 50, "gigabytes": 1000}
        self.faults: list[Fault] = []
        self.garble = Garble()
        self.asked: list[tuple[str, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: dict[str, asyncio.Lock] = {}
        (folder / "volumes").mkdir(parents=True, exist_ok=True)
        (folder / "images").mkdir(exist_ok=True)
        for name in ("public", "second"):
            self.add_network(name)

    def add_network(self, name: str, cidr: str = "", vlan: int | None = None) -> Row:
        row: Row = {
            "id": str(uuid4()),
            "name": name,
            "subnets": [],
            "project_id": self.project_ids["cloud"],
            "shared": True,
            "provider:network_type": "vlan" if vlan else "flat",
            "provider:segmentation_id": vlan,
            "status": "ACTIVE",
        }
        if cidr:
            subnet = {"id": str(uuid4()), "cidr": cidr, "network_id": row["id"], "ip_version": 4}
            self.subnets[str(subnet["id"])] = subnet
            row["subnets"] = [subnet["id"]]
        self.networks[row["id"]] = row
        return row

    def volume_file(self, volume_id: str) -> Path:
        return self.folder / "volumes" / volume_id

    def image_file(self, image_id: str) -> Path:
        return self.folder / "images" / image_id

    def later(self, work: Callable[[], Coroutine[Any, Any, None]], delay_s: float = -1.0) -> None:
        """Let something happen when the answer has been given."""

        async def run() -> None:
            await asyncio.sleep(self.moment_s if delay_s < 0 else delay_s)
            await work()

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def turn_of(self, server_id: str) -> asyncio.Lock:
        """Nova's compute hosts do one thing at a time with a server."""
        return self._turns.setdefault(server_id, asyncio.Lock())

    async def rest(self) -> None:
        """Nothing is under way any more."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


class Answer(Exception):
    """An error answer, in the wrapping that its service uses."""

    def __init__(self, status: int, body: Row, headers: dict[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status, self.body, self.headers = status, body, headers or {}


WORDS = {
    400: "badRequest",
    403: "forbidden",
    404: "itemNotFound",
    406: "notAcceptable",
    409: "conflictingRequest",
    413: "overLimit",
}


def wrong(status: int, message: str) -> Answer:
    """As Nova and Cinder say it."""
    name = WORDS.get(status, "computeFault")
    headers = {"Retry-After": "0"} if status == 413 else {}
    return Answer(status, {name: {"code": status, "message": message}}, headers)


def neutron_error(status: int, kind: str, message: str) -> Answer:
    return Answer(status, {"NeutronError": {"type": kind, "message": message, "detail": ""}})


def plain_error(status: int, message: str) -> Answer:
    """As Glance says it."""
    return Answer(status, {"code": status, "title": str(status), "message": message})


async def body_of(request: web.Request, *keys: str) -> Any:
    """The JSON of a request below its one outer key; 400 if there is none."""
    try:
        said = await request.json()
    except json.JSONDecodeError as error:
        raise wrong(400, "Malformed request body") from error
    for key in keys:
        if not isinstance(said, dict) or key not in said:
            raise wrong(400, f"Invalid input: {key!r} is a required property")
        said = said[key]
    return said


def check_fields(said: Any, allowed: dict[str, Any], required: Iterable[str] = ()) -> Row:
    """Like the JSON schemas of the services: no field more, none of another type, none less."""
    if not isinstance(said, dict):
        raise wrong(400, f"Invalid input: {said!r} is not of type 'object'")
    for name in required:
        if name not in said:
            raise wrong(400, f"Invalid input: {name!r} is a required property")
    for name, value in said.items():
        if name not in allowed:
            raise wrong(
                400,
                "Invalid input for field/attribute. Additional properties are not allowed "
                f"({name!r} was unexpected)",
            )
        if not isinstance(value, allowed[name]):
            raise wrong(400, f"Invalid input for field/attribute {name}. Value: {value!r}.")
    return said


def page(request: web.Request, key: str, rows: list[Row], *, glance: bool = False) -> web.Response:
    """A page of a listing, with the link to the next as that service gives it."""
    rows = sorted(rows, key=lambda one: str(one.get("created_at") or one.get("created") or ""))
    limit = min(int(request.query.get("limit", 1000)), 1000)
    marker = request.query.get("marker")
    if marker:
        ids = [one["id"] for one in rows]
        if marker not in ids:
            raise wrong(400, f"marker [{marker}] not found")
        rows = rows[ids.index(marker) + 1 :]
    said: Row = {key: rows[:limit]}
    if len(rows) > limit:
        asked = {**request.query, "marker": rows[limit - 1]["id"], "limit": str(limit)}
        href = f"{request.path}?{urlencode(asked)}"
        if glance:
            said["next"] = href[href.index("/v2/") :]
        else:
            said[f"{key}_links"] = [{"rel": "next", "href": f"{request.url.origin()}{href}"}]
    return web.json_response(said)


def fault_for(region: Region, request: web.Request) -> Fault | None:
    for fault in region.faults:
        if fault.method == request.method and re.search(fault.path, request.path):
            fault.times -= 1
            if not fault.times:
                region.faults.remove(fault)
            return fault
    return None
