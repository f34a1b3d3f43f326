"""Switches traces on, where a setting says to whom they go; else nothing of them is even imported.

    async with tracing(settings.otlp, clock, instance) as traces:     # before there are tasks
        traces.follow(engine, world)    # before runs are resumed
        traces.add_to(app, face)        # before the application runs

`otlp` is the address of a collector that takes OTLP by HTTP, such as `http://127.0.0.1:4318`. The
SDK's own variables (`OTEL_TRACES_SAMPLER`, `OTEL_RESOURCE_ATTRIBUTES`, ...) are heeded. Spans wait
in memory for a thread that sends them; what a collector does not take in time is lost, and nothing
else waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from aiohttp import web

from engine.clock import Clock
from engine.engine import Engine
from engine.world import World
from sagastack.face import Face
from sagastack.settings import BadSetting

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from sagastack.monitor.spans import Ids

QUEUE_SPANS = 8_192
SEND_S = 5.0
VERSION = "0"


class Traces(Protocol):
    def follow(self, engine: Engine, world: World) -> None:
        """Tell what happens in this engine's runs from now on."""

    def add_to(self, app: web.Application, face: Face) -> None:
        """Tell the requests of this application, and the jobs that they begin."""


class NoTraces:
    def follow(self, engine: Engine, world: World) -> None: ...

    def add_to(self, app: web.Application, face: Face) -> None: ...


@asynccontextmanager
async def tracing(otlp: str, clock: Clock, instance: str) -> AsyncIterator[Traces]:
    """A way to the collector until the block ends. `instance` names this controller."""
    if not otlp:
        yield NoTraces()
        return
    provider, ids = provider_for(otlp, instance)
    try:
        yield traces_to(provider, ids, clock)
    finally:
        # It sends what is left, for as long as the SDK's own deadline; the loop goes on meanwhile.
        await asyncio.get_running_loop().run_in_executor(None, provider.shutdown)


def traces_to(provider: TracerProvider, ids: Ids, clock: Clock) -> Traces:
    """Everything that happens in runs is told to a provider."""
    from sagastack.monitor.followed import Followed
    from sagastack.monitor.requests import Requests, note_job
    from sagastack.monitor.spans import Spans
    from sagastack.monitor.verbs import ToldChildren, ToldHosts

    spans = Spans(provider, ids)

    class Told:
        def follow(self, engine: Engine, world: World) -> None:
            engine.runner.tracer = Followed(spans)
            world.hosts = ToldHosts(world.hosts, spans)
            world.children = ToldChildren(world.children, spans)

        def add_to(self, app: web.Application, face: Face) -> None:
            face.on_job = note_job
            Requests(spans, lambda: face.cloud, clock).add_to(app)

    return Told()


def provider_for(otlp: str, instance: str) -> tuple[TracerProvider, Ids]:
    """A provider that sends to a collector, and where its ids come from."""
    if urlsplit(otlp).scheme not in ("http", "https") or not urlsplit(otlp).netloc:
        raise BadSetting(
            f"SAGASTACK_OTLP={otlp} is no address of a collector: give one such as "
            "http://127.0.0.1:4318"
        )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as missing:
        raise BadSetting(
            f"SAGASTACK_OTLP is set and {missing.name} is not installed: install sagastack[otel]"
        ) from missing
    from sagastack.monitor.spans import Ids

    ids = Ids()
    about = {"service.name": "sagastack", "service.version": VERSION}
    resource = Resource.create({**about, "service.instance.id": instance})
    provider = TracerProvider(resource=resource, id_generator=ids, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{otlp.rstrip('/')}/v1/traces", timeout=SEND_S)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=QUEUE_SPANS))
    return provider, ids
