"""A region of OpenStack on loopback: Keystone, Nova, Glance, Neutron and Cinder at one port.

The tests' stand-in for the vendor. It checks what it is told as the services do: tokens, roles,
microversions, fields, states and tasks, quotas; it keeps the real bytes of images and volumes.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web

from tests.peers.openstack import cinder, glance, neutron, nova
from tests.peers.openstack.state import (
    ADMIN,
    PROJECT,
    USER,
    Answer,
    Region,
    Row,
    body_of,
    fault_for,
)

REGION = web.AppKey("region", Region)
PREFIXES = {
    "compute": "/compute/v2.1",
    "image": "/image",
    "network": "/network",
    "block-storage": "/volume/v3/{project}",
    "placement": "/placement",
}


@web.middleware
async def answering(request: web.Request, handler: Any) -> web.StreamResponse:
    """Faults on demand, tokens, and errors in their service's words."""
    region = request.app[REGION]
    region.asked.append((request.method, request.path))
    fault = fault_for(region, request)
    if fault is not None and fault.delay_s:
        await asyncio.sleep(fault.delay_s)
    if fault is not None and not fault.after:
        return _failed(fault.status, fault.body, fault.headers, request)
    try:
        known = request.match_info.http_exception is None
        if known and not request.path.startswith("/identity/"):
            request[USER] = _authenticated(region, request)
            request[ADMIN] = request[USER].is_admin
            request[PROJECT] = region.project_ids[request[USER].project]
        answer: web.StreamResponse = await handler(request)
    except Answer as error:
        return web.json_response(error.body, status=error.status, headers=error.headers)
    if fault is not None:
        return _failed(fault.status, fault.body, fault.headers, request)
    if isinstance(answer, web.Response) and answer.content_type == "application/json":
        assert isinstance(answer.body, bytes)
        answer.body = region.garble.of(answer.body)
    return answer


def _failed(status: int, body: Row, headers: dict[str, str], request: web.Request) -> web.Response:
    if status:
        return web.json_response(body, status=status, headers=headers)
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=500)


def _authenticated(region: Region, request: web.Request) -> Any:
    known = region.tokens.get(request.headers.get("X-Auth-Token", ""))
    if known is None or known[1] < asyncio.get_running_loop().time():
        raise Answer(
            401,
            {"error": {"code": 401, "title": "Unauthorized", "message": "The request you have "
             "made requires authentication."}},
        )  # fmt: skip
    return known[0]


async def sign_in(request: web.Request) -> web.Response:
    """POST /v3/auth/tokens, by password, scoped to a project."""
    region, whole = request.app[REGION], await body_of(request, "auth")
    identity = whole["identity"]
    denied = {"error": {"code": 401, "title": "Unauthorized", "message": "The request you have "
                        "made requires authentication."}}  # fmt: skip
    if identity["methods"] != ["password"]:
        raise Answer(401, denied)
    asked, scope = identity["password"]["user"], whole["scope"]["project"]
    for user in region.users:
        said = (asked["name"], asked["password"], scope["name"])
        same = said == (user.name, user.password, user.project)
        if same and asked["domain"]["name"] == scope["domain"]["name"] == "Default":
            return _token(region, user)
    raise Answer(401, denied)


def _token(region: Region, user: Any) -> web.Response:
    value = uuid4().hex
    region.tokens[value] = (user, asyncio.get_running_loop().time() + region.token_s)
    issued = datetime.now(UTC)
    shown = "%Y-%m-%dT%H:%M:%S.%fZ"
    project_id = region.project_ids[user.project]
    token = {
        "methods": ["password"],
        "user": {"id": user.user_id, "name": user.name, "domain": {"name": "Default"}},
        "project": {"id": project_id, "name": user.project, "domain": {"name": "Default"}},
        "roles": [{"name": "admin" if user.is_admin else "member"}],
        "issued_at": issued.strftime(shown),
        "expires_at": (issued + timedelta(seconds=region.token_s)).strftime(shown),
        "catalog": [_service(region, kind, project_id) for kind in region.services],
    }
    return web.json_response({"token": token}, status=201, headers={"X-Subject-Token": value})


def _service(region: Region, kind: str, project_id: str) -> Row:
    url = region.public + PREFIXES[kind].format(project=project_id)
    endpoints = [
        {"interface": interface, "region": region.name, "region_id": region.name, "url": url}
        for interface in ("public", "internal")
    ]
    return {"type": kind, "name": kind, "endpoints": endpoints}


def application(region: Region) -> web.Application:
    app = web.Application(middlewares=[answering], client_max_size=1 << 30)
    app[REGION] = region
    app.router.add_post("/identity/v3/auth/tokens", sign_in)
    nova.Nova(region).routes(app, PREFIXES["compute"])
    glance.Glance(region).routes(app, f"{PREFIXES['image']}/v2")
    neutron.Neutron(region).routes(app, f"{PREFIXES['network']}/v2.0")
    cinder.Cinder(region).routes(app, PREFIXES["block-storage"])
    return app


@asynccontextmanager
async def serving(
    folder: Path, *, tls: ssl.SSLContext | None = None, **more: float
) -> AsyncIterator[tuple[Region, int]]:
    """A region that serves, and its port; nobody finds it elsewhere unless `public` is changed."""
    region = Region(folder, **more)
    runner = web.AppRunner(application(region), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port: int = runner.addresses[0][1]
        region.public = f"http{'s' if tls else ''}://127.0.0.1:{port}"
        yield region, port
    finally:
        await region.rest()
        await runner.cleanup()
