"""Tells each verb of a driver, and each saga that a saga starts, as a part of the step that asks.

What is asked outside of a step, as sweeps and measurements do, is told to nobody.
"""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import Any
from uuid import UUID

from opentelemetry.trace import SpanKind, get_current_span

from drivers.contract.compute import HostAddress, Stranger
from drivers.contract.driver import Capabilities, HostSession
from drivers.contract.storage import PoolSpec
from engine.intents import By, Job
from engine.world import Children, Hosts
from sagastack.monitor.spans import Attributes, Spans


class ToldHosts:
    """The hosts of a world, whose sessions tell their verbs."""

    def __init__(self, hosts: Hosts, spans: Spans) -> None:
        self._hosts, self._spans = hosts, spans

    async def discover(self, hypervisor: str, address: HostAddress) -> tuple[HostAddress, ...]:
        return await self._hosts.discover(hypervisor, address)

    async def survey(self, hypervisor: str, address: HostAddress) -> list[Stranger]:
        return await self._hosts.survey(hypervisor, address)

    async def session(self, host_id: UUID) -> HostSession:
        return self._told(await self._hosts.session(host_id), {"sagastack.host": str(host_id)})

    async def with_pool(self, pool_id: UUID) -> tuple[HostSession, PoolSpec]:
        session, pool = await self._hosts.with_pool(pool_id)
        return self._told(session, {"sagastack.pool": str(pool_id)}), pool

    async def drop(self, host_id: UUID) -> None:
        await self._hosts.drop(host_id)

    def kinds(self) -> list[str]:
        return self._hosts.kinds()

    def kind(self, hypervisor: str) -> str:
        return self._hosts.kind(hypervisor)

    def capabilities(self, hypervisor: str) -> Capabilities:
        return self._hosts.capabilities(hypervisor)

    async def address(self, host_id: UUID) -> HostAddress:
        return await self._hosts.address(host_id)

    def _told(self, session: HostSession, about: Attributes) -> HostSession:
        if not get_current_span().get_span_context().is_valid:
            return session
        told: Any = ToldSession(session, self._spans, about)
        return told  # type: ignore[no-any-return]


class ToldSession:
    """A session whose verbs are spans below the step that asked for it."""

    def __init__(self, session: HostSession, spans: Spans, about: Attributes) -> None:
        self._session, self._spans, self._about = session, spans, about

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._session, name)
        if not iscoroutinefunction(verb):
            return verb

        async def told(*values: Any, **named: Any) -> Any:
            parent = get_current_span().get_span_context()
            about = {**self._about, "sagastack.driver": type(self._session).__module__}
            with self._spans.around(f"driver {name}", parent, about, SpanKind.CLIENT):
                return await verb(*values, **named)

        return told


class ToldChildren:
    """Sagas that steps start: the step's span links to the trace of each."""

    def __init__(self, children: Children, spans: Spans) -> None:
        self._children, self._spans = children, spans

    async def submit(self, ask: object, by: By, *, run_id: UUID | None = None) -> Job:
        job = await self._children.submit(ask, by, run_id=run_id)
        get_current_span().add_link(
            self._spans.of_run(job.id), {"sagastack.intent": type(ask).__name__}
        )
        return job

    async def decide(self, ask: object, by: By) -> Any:
        return await self._children.decide(ask, by)

    async def outcome(self, run_id: UUID) -> str:
        return await self._children.outcome(run_id)
