"""What consumers are tested against: the real database."""

from __future__ import annotations

from tests.peers.postgres import postgres, postgres_cluster

__all__ = ["postgres", "postgres_cluster"]
