"""Servers that the tests of several folders talk to, each started once a session."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests.peers.folders import quick_root
from tests.peers.kafka import kafka, kafka_broker
from tests.peers.postgres import postgres, postgres_cluster

__all__ = ["kafka", "kafka_broker", "postgres", "postgres_cluster"]

# What is slow here says how busy the machine is, not that a property is wrong.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# What takes minutes begins first, so that no worker is busy alone at the end.
LONGEST = (
    "tests/drivers/test_libvirt_xen_real",
    "tests/real/test_xen_real",
    "tests/real/test_baremetal_real",
    "tests/real/test_openstack_services",
    "tests/mixed/",
    "tests/clients/test_ansible",
    "tests/chaos/test_chaos",
    "tests/drivers/test_conformance",
    "tests/real/",
    "tests/sagas/",
    "tests/drivers/",
    "tests/cluster/",
    "tests/e2e/",
    "tests/ui/",
    "tests/consumers/",
    "tests/sim/",
    "tests/api/test_every_command",
)
MINUTES = LONGEST[:7]


def pytest_configure() -> None:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(quick_root()))


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
        if module.endswith("/test_every_saga.py"):  # Each test has its own cloud.
            return f"{module} {name.partition('[')[0]}"
        if "_libvirt_lxc-" in name or "_libvirt_containers_" in module:
            return "containers"  # They share a host, and its folder of links to disks.
        harness = re.search(r"\[(harness_\w+)-", name)
        return f"{module} {harness[1]}" if harness else module

    def _assign_work_unit(self, node: Any) -> None:
        """What would wait behind minutes of a worker's is the shortest there is, not the longest.

        A worker begins its last test only when it knows what follows, so something has to wait.
        """
        given = [one for unit in self.assigned_work.get(node, {}).values() for one in unit.items()]
        if any(not done and nodeid.startswith(MINUTES) for nodeid, done in given):
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    return Together(config, log)
