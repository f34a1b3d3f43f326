"""HTTP: routes, limits, headers and the access log around the gateway. No command is known here.

`make_app` is the public server's application. `make_integration_app` is the port for tooling on
the same machine: no authentication, so it answers loopback alone, and never a browser.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import cache, partial
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict, CIMultiDictProxy

from api.authz import allowed
from api.caller import Identity
from api.dispatch import Answer, Gateway, Request
from api.errors import ApiError, Denied, MalformedParam, ParamError
from api.openapi import document
from api.parse import integer
from api.ready import HEADERS, Ready, body_of
from api.schemas import serve_schema
from api.stream import HEARTBEAT_S, Feed, Frames, Readers, pour

log = logging.getLogger("sagastack.access")

BODY_BYTES_MAX = 4 * 1024 * 1024
URL_BYTES_MAX = 64 * 1024
PARAMS_MAX = 5_000
SHUTDOWN_S = 10.0
PATH = "/client/api"
# In place of a position of the log: whatever happens from this request on.
NOW = "now"
PATH_AND_QUERY = f"{PATH}?"
METHODS = ("GET", "POST")
GATEWAY = web.AppKey("gateway", Gateway)
FEED: web.AppKey[Feed] = web.AppKey("feed")
FRAMES = web.AppKey("frames", Frames)
READERS = web.AppKey("readers", Readers)
TRUSTED = web.AppKey("trusted", bool)
METRICS: web.AppKey[Callable[[], str]] = web.AppKey("metrics")
VERSION = web.AppKey("version", str)
COMMAND = web.RequestKey("command", str)
STREAMS: web.AppKey[set[asyncio.Task[Any]]] = web.AppKey("streams")
JSON = (("response", "json"),)
Served = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
API: web.AppKey[Api] = web.AppKey("api")
NO_COOKIES: Mapping[str, str] = MappingProxyType({})


async def decoded(request: web.Request, command: str = "") -> list[tuple[str, str]]:
    """Body and query merged and decoded, each name once: what comes last wins, the query's last.

    `command` is what the path says. What is signed and what is executed is this one list, so the
    two cannot differ.
    """
    try:
        pairs: list[tuple[str, str]] = []
        if request.method == "POST" and "form-urlencoded" in request.content_type:
            body = (await request.read()).decode("utf-8")
            pairs += _pairs(body, "replace")
        _, _, query = request.raw_path.partition("?")
        pairs += _pairs(query, "strict")
    except web.HTTPRequestEntityTooLarge as why:
        raise ParamError(f"The body is larger than {BODY_BYTES_MAX} bytes: send less") from why
    except UnicodeDecodeError as why:
        raise ParamError("The parameters are not UTF-8 text: encode them as UTF-8") from why
    except ValueError as why:
        raise MalformedParam(f"More than {PARAMS_MAX} parameters were sent: send fewer") from why
    if command:
        pairs.append(("command", command))
    return list(dict(pairs).items())


def _pairs(text: str, errors: str) -> list[tuple[str, str]]:
    """Names and values of a form, blank ones too: `urllib.parse.parse_qsl`, which looks for what
    is to be decoded in each part four times, where most parts hold nothing."""
    if text.count("&") >= PARAMS_MAX:
        raise ValueError("too many parameters")
    found = []
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            if "%" in part or "+" in part:
                name, value = _plain(name, errors), _plain(value, errors)
            found.append((name, value))
    return found


def _plain(text: str, errors: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    return unquote(text, errors=errors) if "%" in text else text


class Api:
    """One command a request, for a gateway. Whoever comes by a `trusted` port needs no key."""

    def __init__(self, gateway: Gateway, *, trusted: bool) -> None:
        self._gateway, self._trusted = gateway, trusted

    def add_to(self, app: web.Application, *paths: str) -> None:
        for path in paths:
            for method in METHODS:
                app.router.add_route(method, path, self.routed)

    async def routed(self, request: web.Request) -> web.Response:
        """For a path that the router has matched, which may say the command."""
        return await self.serve(request, request.match_info.get("command", ""))

    async def serve(self, request: web.Request, command: str = "") -> web.Response:
        gateway = self._gateway
        try:
            pairs = await decoded(request, command)
        except ApiError as refused:
            return respond(gateway.refusal(refused, JSON))
        cookies = request.cookies if hdrs.COOKIE in request.headers else NO_COOKIES
        answer = await gateway.answer(Request(request.method, pairs, cookies, self._trusted))
        request[COMMAND] = answer.command
        return respond(answer)

    def straight(self, app: web.Application, otherwise: Served) -> Served:
        """What answers requests at `PATH` without asking the router, and others by it.

        To find a route, to make a match of it and to hand that through takes a good part of the
        time of a small request. The path is compared as it was sent, before any is decoded: what
        is the same path in other letters is left to the router, as is who waits for a 100.
        """
        serve: Handler = self.serve
        for middleware in reversed(app.middlewares):
            serve = partial(middleware, handler=serve)

        def handle(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
            assert isinstance(request, web.Request)
            if (
                request.raw_path.startswith(PATH_AND_QUERY)
                and request.method in METHODS
                and hdrs.EXPECT not in request.headers
            ):
                return serve(request)
            return otherwise(request)

        return handle


def respond(answer: Answer) -> web.Response:
    """An answer as an HTTP response."""
    if answer.status == 200 and not answer.set_cookies:
        return Ready(answer.parts, answer.content_type)
    # Reasons are our own word: the codes above 511 have none in the standard.
    reason = "OK" if answer.status == 200 else "Refused"
    response = web.Response(
        status=answer.status,
        reason=reason,
        body=body_of(answer.parts),
        headers=_headers(answer.content_type),
    )
    if answer.note:
        note = "".join(char if char.isprintable() else " " for char in answer.note)
        response.headers["X-Description"] = note.encode("ascii", "replace").decode()[:1000]
    for cookie in answer.set_cookies:
        response.headers.add("Set-Cookie", cookie)
    return response


@cache
def _headers(content_type: str) -> CIMultiDictProxy[str]:
    """To be read only, so that no answer ever finds the cookies of another in them."""
    return CIMultiDictProxy(CIMultiDict(HEADERS | {"Content-Type": content_type}))


async def serve_events(request: web.Request) -> web.StreamResponse:
    """`/events`: the log from a position on, for whoever may see it."""
    gateway, feed = request.app[GATEWAY], request.app[FEED]
    try:
        pairs = await decoded(request)
        asked = Request(request.method, pairs, request.cookies, request.app[TRUSTED])
        reader = await gateway.identity(asked)
        said = request.headers.get("Last-Event-ID") or dict(pairs).get("after", "0")
        after = gateway.engine.cloud.position if said == NOW else _position(said)
        if not allowed(reader, "listEvents", "ARDU"):
            raise Denied(
                f"account {reader.account} may not read events: its role must allow listEvents"
            )
    except ApiError as refused:
        return respond(gateway.refusal(refused, JSON))
    response = web.StreamResponse(
        headers={**HEADERS, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
    )

    def still() -> Identity | None:
        return None if gateway.closing else readers.who(gateway.engine.cloud, reader.user_id)

    readers = request.app[READERS]
    open_streams, own = request.app[STREAMS], asyncio.current_task()
    assert own is not None
    open_streams.add(own)
    try:
        await response.prepare(request)
        async with aclosing(feed(after, HEARTBEAT_S)) as batches:
            await pour(batches, still, response.write, request.app[FRAMES])
    except (TimeoutError, ConnectionError):
        # The reader is stuck or gone. It knows its last position and may come again.
        log.info("events reader %s is gone", reader.username)
    finally:
        open_streams.discard(own)
    return response


def _position(text: str) -> int:
    try:
        position = integer(text)
    except ValueError:
        position = -1
    if position < 0:
        raise ParamError(f"after and Last-Event-ID are positions: whole numbers from 0, or {NOW}")
    return position


async def serve_health(request: web.Request) -> web.Response:
    """`/healthz`: 200 while requests are taken, 503 while shutting down, or until a restart."""
    gateway = request.app[GATEWAY]
    if gateway.closing:
        return web.json_response({"status": "closing"}, status=503)
    if fault := gateway.fault():
        return web.json_response({"status": "failed", "wrong": fault}, status=503)
    return web.json_response({"status": "ok", "position": gateway.engine.cloud.position})


async def serve_openapi(request: web.Request) -> web.Response:
    """`/openapi.json`, from the registry."""
    body = msgspec.json.encode(document(request.app[VERSION]))
    return web.Response(body=body, content_type="application/json", headers=HEADERS)


async def serve_metrics(request: web.Request) -> web.Response:
    """`/metrics` in Prometheus's text format (version 0.0.4)."""
    text = request.app[METRICS]()
    return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4"})


@web.middleware
async def access(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One line a request: who from, what, the answer and how long. Never a parameter."""
    begun = time.perf_counter()
    status = 500
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as known:
        status = known.status
        raise
    finally:
        took_ms = (time.perf_counter() - begun) * 1000
        if log.isEnabledFor(logging.INFO):
            command = request.get(COMMAND, request.path[:100])
            about = request.remote, request.method, command, status, took_ms
            log.info("%s %s %s %d %.1f ms", *about)


@web.middleware
async def local_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what is not from this machine, and whatever a browser was talked into sending."""
    host = request.host.rpartition(":")[0] or request.host
    near = request.remote is not None and ipaddress.ip_address(request.remote).is_loopback
    from_page = "Origin" in request.headers or "Sec-Fetch-Site" in request.headers
    if not near or from_page or host.strip("[]") not in ("127.0.0.1", "localhost", "::1"):
        raise web.HTTPForbidden(text="This port answers tools on the same machine only.\n")
    return await handler(request)


def make_app(
    gateway: Gateway,
    *,
    feed: Feed,
    metrics: Callable[[], str] = lambda: "",
    version: str = "0",
) -> web.Application:
    """The public application. Boot may add routes (the console) before it runs."""
    app = _api(gateway, [access], trusted=False)
    app[FEED], app[METRICS], app[VERSION], app[STREAMS] = feed, metrics, version, set()
    app[FRAMES], app[READERS] = Frames(), Readers()
    # The session's cookies are for /client alone, so a console reads the events there.
    for path in ("/events", "/client/events"):
        app.router.add_get(path, serve_events)
    app.router.add_get("/healthz", serve_health)
    app.router.add_get("/metrics", serve_metrics)
    app.router.add_get("/openapi.json", serve_openapi)
    app.router.add_get("/schemas/{name}", serve_schema)

    async def close(app: web.Application) -> None:
        """Take nothing more; a stream never ends by itself, so it is ended here."""
        gateway.closing = True
        for stream in app[STREAMS]:
            stream.cancel()

    app.on_shutdown.append(close)
    return app


def make_integration_app(gateway: Gateway) -> web.Application:
    """The application of the unauthenticated port; it also answers at `/`, as CloudStack does."""
    app = _api(gateway, [access, local_only], trusted=True)
    app[API].add_to(app, "/")
    return app


def _api(gateway: Gateway, middlewares: list[Middleware], *, trusted: bool) -> web.Application:
    app = web.Application(middlewares=middlewares, client_max_size=BODY_BYTES_MAX)
    app[GATEWAY], app[TRUSTED] = gateway, trusted
    app[API] = api = Api(gateway, trusted=trusted)
    api.add_to(app, PATH, f"{PATH}/", f"{PATH}/{{command}}")
    return app


async def start(app: web.Application, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Serve an application; gives the runner to clean up and the port it listens on."""
    runner = web.AppRunner(
        app,
        access_log=None,
        max_line_size=URL_BYTES_MAX,
        max_field_size=URL_BYTES_MAX,
        shutdown_timeout=SHUTDOWN_S,
    )
    await runner.setup()
    server = runner.server
    if server is not None and API in app:
        server.request_handler = app[API].straight(app, server.request_handler)
    site = web.TCPSite(runner, host, port)
    await site.start()
    return runner, int(runner.addresses[0][1])
