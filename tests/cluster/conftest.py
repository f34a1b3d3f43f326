"""Tests of what controllers share run against a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.peers.postgres import postgres, postgres_cluster

__all__ = ["postgres", "postgres_cluster"]


@pytest.fixture
def url(postgres: Callable[[], str]) -> str:
    """The address of a new, empty database."""
    return postgres()
