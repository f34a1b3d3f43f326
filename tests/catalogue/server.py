"""The cloud behind its HTTP API on a loopback port, and `cs` as the client that talks to it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from cs import CloudStack

from aggregates.errors import NotFound
from api.app import make_app
from api.attempts import Attempts, AttemptStore
from api.caller import By as ApiBy
from api.declare import load
from api.dispatch import Gateway
from api.sessions import Sessions, SessionStore
from engine.genesis import first_credentials
from engine.intents import By
from projections.cloud import Cloud
from projections.user import users
from tests.catalogue.controller import Controller

load()


class Face:
    """The engine as the API asks for it."""

    def __init__(self, controller: Controller) -> None:
        self._engine, self._vault = controller.engine, controller.vault

    @property
    def cloud(self) -> Cloud:
        return self._engine.cloud

    async def decide(self, intent: object, by: ApiBy) -> Any:
        return await self._engine.decide(intent, _by(by))

    async def submit(self, intent: object, by: ApiBy, *, run_id: UUID | None = None) -> Any:
        return await self._engine.submit(intent, _by(by), run_id=run_id)

    async def plan(self, intent: object, by: ApiBy, *, begun: bool = False) -> list[str]:
        return await self._engine.plan(intent, _by(by), begun=begun)

    async def at(self, at_ms: int) -> Cloud:
        return await self._engine.at(at_ms)

    async def job(self, job_id: UUID) -> Any:
        try:
            return await self._engine.job(job_id)
        except NotFound:
            return None

    async def check_password(self, user_id: UUID | None, password: str) -> bool:
        user = self.cloud[users].get(user_id)
        entry = UUID(user.password_ref) if user else uuid4()
        return await self._vault.check_password(entry, password)

    async def secret(self, ref: str) -> str:
        return await self._vault.get(UUID(ref))

    async def seal(self, secret: str, key: UUID | None = None) -> str:
        return str(await self._vault.put(secret, key=key))

    async def shred(self, ref: str) -> None:
        await self._vault.shred(UUID(ref))

    async def seal_password(self, password: str) -> str:
        return str(await self._vault.hash_password(password))


def _by(by: ApiBy) -> By:
    return By(**msgspec.structs.asdict(by))


class Api:
    """`await api("listUsers", id=...)` by the `cs` client, signed with one user's keys."""

    def __init__(self, endpoint: str, key: str, secret: str) -> None:
        self.endpoint = endpoint
        self.cs = CloudStack(endpoint=endpoint, key=key, secret=secret, poll_interval=0.05)

    async def __call__(self, command: str, **params: Any) -> Any:
        return await asyncio.to_thread(getattr(self.cs, command), **params)

    async def job(self, command: str, **params: Any) -> Any:
        """The same for an asynchronous command: its job's result."""
        return await self(command, fetch_result=True, **params)


@asynccontextmanager
async def serving(
    controller: Controller,
    sessions: SessionStore | None = None,
    attempts: AttemptStore | None = None,
) -> AsyncIterator[Api]:
    """The public port, and the first admin's client."""
    face: Any = Face(controller)
    gateway = Gateway(
        face,
        sessions or Sessions(secrets.token_bytes),
        controller.clock.now_ms,
        uuid4,
        attempts=attempts or Attempts(),
    )

    async def feed(after: int) -> AsyncIterator[Any]:
        async for batch in controller.log.read(after):
            for one in batch:
                yield one

    runner = web.AppRunner(make_app(gateway, feed=feed))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    found = await first_credentials(controller.engine.cloud, controller.vault)
    assert found is not None
    try:
        yield Api(f"http://127.0.0.1:{port}/client/api", found.api_key, found.secret_key)
    finally:
        await runner.cleanup()
