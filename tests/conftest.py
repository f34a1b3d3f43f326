"""Servers that the tests of several folders talk to, each started once a session."""

from __future__ import annotations

from tests.peers.kafka import kafka, kafka_broker
from tests.peers.postgres import postgres, postgres_cluster

__all__ = ["kafka", "kafka_broker", "postgres", "postgres_cluster"]
