"""Two hosts of Oracle VM 2.x that share two exports, ready to be checked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from drivers.conformance import Harness
from tests.drivers.ovm import OracleHarness, serve


def missing() -> str:
    """The agents are ours, and run wherever the tests do."""
    return ""


@asynccontextmanager
async def harness() -> AsyncIterator[Harness]:
    async with serve("Ovm") as ready:
        assert isinstance(ready, OracleHarness)
        yield ready
