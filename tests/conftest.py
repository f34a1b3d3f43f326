"""Servers that the tests of several folders talk to, each started once a session."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests.peers.kafka import kafka, kafka_broker
from tests.peers.postgres import postgres, postgres_cluster

__all__ = ["kafka", "kafka_broker", "postgres", "postgres_cluster"]

# What is slow here says how busy the machine is, not that a property is wrong.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# What takes a minute or more begins first, so that no worker is busy alone at the end.
LONGEST = (
    "tests/clients/test_ansible",
    "tests/chaos/test_chaos",
    "tests/drivers/test_conformance",
    "tests/real/",
    "tests/mixed/",
    "tests/drivers/",
    "tests/cluster/",
    "tests/e2e/",
    "tests/consumers/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _rank(item.nodeid))


def _rank(nodeid: str) -> int:
    return next((at for at, path in enumerate(LONGEST) if nodeid.startswith(path)), len(LONGEST))


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Shares tests out among workers: a module stays together, so does the suite of a driver."""

    def _split_scope(self, nodeid: str) -> str:
        module, _, name = nodeid.partition("::")
        if "_xen_" in module:  # Two emulated Xen hosts fill this machine; four would starve others.
            return "xen"
        harness = re.search(r"\[(harness_\w+)-", name)
        return f"{module} {harness[1]}" if harness else module


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    return Together(config, log)
