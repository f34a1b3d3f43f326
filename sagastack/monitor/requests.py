"""Tells requests of the API: one that begins a job is the root of the job's own trace.

A caller who sends `traceparent` finds the request in its trace too, with a link to the job's; and
the job's root links back. Any other request is a span of the caller's trace, or a trace of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Handler
from opentelemetry.trace import SpanContext, SpanKind, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from api.app import COMMAND
from engine.clock import Clock
from projections.cloud import Cloud
from projections.saga import saga_runs
from sagastack.monitor.spans import Attributes, Spans

JOBS: ContextVar[list[UUID] | None] = ContextVar("jobs", default=None)
PATHS = "/client/api"


def note_job(job_id: UUID) -> None:
    """A request has begun a job, or named one that was there already."""
    jobs = JOBS.get()
    if jobs is not None:
        jobs.append(job_id)


@dataclass(slots=True)
class Asked:
    """One request on its way."""

    began_ms: int
    caller: SpanContext | None
    jobs: list[UUID] = field(default_factory=list)


class Requests:
    """A middleware; `note_job` is called by what submits jobs, within the request's own task."""

    def __init__(self, spans: Spans, cloud: Callable[[], Cloud], clock: Clock) -> None:
        self._spans, self._cloud, self._clock = spans, cloud, clock

    def add_to(self, app: web.Application) -> None:
        @web.middleware
        async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not request.path.startswith(PATHS):
                return await handler(request)
            asked = Asked(self._clock.now_ms(), caller_of(request))
            token = JOBS.set(asked.jobs)
            status = 500
            try:
                response = await handler(request)
                status = response.status
                return response
            finally:
                JOBS.reset(token)
                self._tell(asked, request.get(COMMAND, ""), request.method, status)

        app.middlewares.append(told)

    def _tell(self, asked: Asked, command: str, method: str, status: int) -> None:
        about: Attributes = {
            "sagastack.command": command,
            "http.request.method": method,
            "http.response.status_code": status,
        }
        name, start_ns = command or method, asked.began_ms * 1_000_000
        begun = [job for job in asked.jobs if self._is_new(job, asked.began_ms)]
        links = [self._spans.of_run(job) for job in asked.jobs]
        for job in begun:
            back = [asked.caller] if asked.caller else []
            told = {**about, "sagastack.job": str(job)}
            kind = SpanKind.INTERNAL if asked.caller else SpanKind.SERVER
            own = (name, job, "request", None, told)
            self._spans.begin_own(*own, kind=kind, start_ns=start_ns, links=back).end()
        if asked.caller or not begun:
            ask = (name, asked.caller, about)
            kind = SpanKind.SERVER
            self._spans.begin(*ask, kind=kind, start_ns=start_ns, links=links).end()

    def _is_new(self, job: UUID, since_ms: int) -> bool:
        row = self._cloud()[saga_runs].get(job)
        return row is not None and row.created_at_ms >= since_ms


def caller_of(request: web.Request) -> SpanContext | None:
    """Whose trace the request belongs to, if it says so in a way that can be understood."""
    carrier = {name: request.headers[name] for name in ("traceparent",) if name in request.headers}
    context = TraceContextTextMapPropagator().extract(carrier)
    found = get_current_span(context).get_span_context()
    return found if found.is_valid else None
