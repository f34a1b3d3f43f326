"""Tests of what controllers share run against a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from engine.clock import SystemClock
from engine.cluster.topics import Topics
from engine.log import Log
from tests.peers.kafka import Kafka


@pytest.fixture
def url(postgres: Callable[[], str]) -> str:
    """The address of a new, empty database."""
    return postgres()


@pytest.fixture
async def log(url: str) -> AsyncIterator[Log]:
    """A log in that database, open for writing."""
    opened = await Log.open(url, now_ms=SystemClock().now_ms)
    yield opened
    await opened.close()


@pytest.fixture
def topics(kafka: Kafka) -> Topics:
    """Topics that no other test has."""
    return Topics(prefix=kafka.prefix, partitions=4)
