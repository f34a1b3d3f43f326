"""Servers that the tests of several folders talk to, each started once a session."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.peers.kafka import kafka, kafka_broker
from tests.peers.postgres import postgres, postgres_cluster

__all__ = ["kafka", "kafka_broker", "postgres", "postgres_cluster"]

# What is slow here says how busy the machine is, not that a property is wrong.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
