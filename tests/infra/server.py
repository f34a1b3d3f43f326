"""A whole controller on a loopback port, and `cs` as the client that builds zones on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cs import CloudStack, CloudStackApiException

from sagastack.boot import Controller, controller
from sagastack.settings import Settings
from tests.e2e.server import HANG_S


class Api:
    """`await api("listZones", id=...)`; a job is awaited and its result given."""

    def __init__(self, running: Controller, key: str, secret: str) -> None:
        self.controller = running
        self.cs = CloudStack(
            endpoint=running.endpoint,
            key=key,
            secret=secret,
            poll_interval=0.02,
            job_timeout=HANG_S,
        )

    async def __call__(self, command: str, **params: Any) -> Any:
        return await asyncio.to_thread(getattr(self.cs, command), fetch_result=True, **params)

    async def refused(self, command: str, code: int, text: str, **params: Any) -> str:
        """The words of a refusal, which has this code and holds this text."""
        with pytest.raises(CloudStackApiException) as caught:
            await self(command, **params)
        error = caught.value.error
        assert error["errorcode"] == code, error
        assert text in error["errortext"], error
        return str(error["errortext"])

    async def refused_job(self, command: str, text: str, **params: Any) -> None:
        """The job was accepted and then failed, in words that hold this text."""
        with pytest.raises(CloudStackApiException) as caught:
            await self(command, **params)
        assert text in str(caught.value.error), caught.value.error


@asynccontextmanager
async def serving(home: Path) -> AsyncIterator[Api]:
    """A controller on an empty folder and its first administrator's client."""
    settings = Settings(home=home, port=0, reconcile_s=3600)
    async with controller(settings) as running:
        found = await running.credentials()
        assert found is not None
        yield Api(running, found.api_key, found.secret_key)
