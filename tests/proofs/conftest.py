"""Proofs are made from logs on SQLite and on PostgreSQL."""

from __future__ import annotations

from tests.backups.conftest import database, postgres, postgres_cluster

__all__ = ["database", "postgres", "postgres_cluster"]
