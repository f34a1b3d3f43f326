"""Spans of jobs, under ids that follow from the job's own: nothing of them needs to be kept.

A trace's id is the job's id. The spans of the request that began it and of the run itself have ids
that follow from it, so whichever controller does a step, before a crash or after, tells it into
the same trace below the same parent. Only attempts, verbs and commits have ids of chance.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
    use_span,
)

from engine.failure import failure_of

Attributes = Mapping[str, str | int | bool]
# Words of an error; a whole one is in the log.
TEXT_LENGTH = 500


def span_id(run_id: UUID, what: str) -> int:
    """The id of a span that a run has once: `request` or `run`. Never 0, which is no id."""
    return int.from_bytes(sha256(run_id.bytes + what.encode()).digest()[:8], "big") or 1


class Ids(RandomIdGenerator):
    """Ids of chance, but for one span whose ids are chosen; it is asked while that span is made."""

    def __init__(self) -> None:
        self._chosen: tuple[int, int] | None = None

    @contextmanager
    def chosen(self, trace: int, span: int) -> Iterator[None]:
        self._chosen = (trace, span)
        try:
            yield
        finally:
            self._chosen = None

    def generate_trace_id(self) -> int:
        return self._chosen[0] if self._chosen else super().generate_trace_id()

    def generate_span_id(self) -> int:
        return self._chosen[1] if self._chosen else super().generate_span_id()


class Spans:
    """Makes spans of runs. The provider's ids are `ids`; its sampler decides for whole traces."""

    def __init__(self, provider: TracerProvider, ids: Ids) -> None:
        self._ids, self._sampler = ids, provider.sampler
        self._tracer: Tracer = provider.get_tracer("sagastack")

    def of_run(self, run_id: UUID, what: str = "run") -> SpanContext:
        """The span of a run that is told at its end, by whichever controller is there then."""
        decided = self._sampler.should_sample(None, run_id.int, "job").decision
        sampled = TraceFlags.SAMPLED if decided is Decision.RECORD_AND_SAMPLE else 0
        return SpanContext(run_id.int, span_id(run_id, what), True, TraceFlags(sampled))

    def below(self, parent: SpanContext | None) -> Context:
        """A context for spans below this one; without one, for a new trace."""
        return set_span_in_context(NonRecordingSpan(parent), Context()) if parent else Context()

    def begin(
        self,
        name: str,
        parent: SpanContext | None,
        attributes: Attributes,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        start_ns: int | None = None,
        links: Sequence[SpanContext] = (),
    ) -> Span:
        return self._tracer.start_span(
            name,
            self.below(parent),
            kind,
            attributes,
            [Link(one) for one in links],
            start_ns,
        )

    def begin_own(
        self,
        name: str,
        run_id: UUID,
        what: str,
        parent: SpanContext | None,
        attributes: Attributes,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        start_ns: int,
        links: Sequence[SpanContext] = (),
    ) -> Span:
        """One of the spans that a run has once."""
        with self._ids.chosen(run_id.int, span_id(run_id, what)):
            return self.begin(name, parent, attributes, kind=kind, start_ns=start_ns, links=links)

    @contextmanager
    def around(
        self,
        name: str,
        parent: SpanContext,
        attributes: Attributes,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Iterator[Span]:
        """A span around what happens inside, which finds it as the current one."""
        span = self.begin(name, parent, attributes, kind=kind)
        try:
            with use_span(span, record_exception=False, set_status_on_exception=False):
                yield span
        except asyncio.CancelledError:
            span.set_attribute("sagastack.interrupted", True)
            raise
        except Exception as error:
            blame(span, *failure_of(error))
            raise
        finally:
            span.end()


def blame(span: Span, error: str, text: str) -> None:
    """Say that it went wrong, and how."""
    span.set_attribute("error.type", error)
    span.set_status(Status(StatusCode.ERROR, text[:TEXT_LENGTH]))
