"""The controller's figures in Prometheus's text format (exposition format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from engine.log import Log
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.host import hosts
from projections.saga import saga_runs
from projections.vm import vms

Sample = tuple[str, float]


def metrics(cloud: Cloud, log: Log) -> str:
    """Counters of the log, and how many of each noun are in which state."""
    stats = log.stats
    lines: list[str] = []

    def family(name: str, kind: str, about: str, samples: Iterable[Sample]) -> None:
        lines.append(f"# HELP sagastack_{name} {about}")
        lines.append(f"# TYPE sagastack_{name} {kind}")
        lines.extend(f"sagastack_{name}{labels} {value:g}" for labels, value in samples)

    family("log_position", "gauge", "Events in the log.", [("", cloud.position)])
    family("log_events_total", "counter", "Events appended since start.", [("", stats.events)])
    family("log_commits_total", "counter", "Group commits since start.", [("", stats.batches)])
    family("log_conflicts_total", "counter", "Refused for a version.", [("", stats.conflicts)])
    family("log_commit_seconds", "gauge", "The last commit.", [("", stats.last_batch_s)])
    family("log_queue", "gauge", "Units waiting for a commit.", [("", stats.queue_depth)])
    family("sagas", "gauge", "Saga runs by state.", _states(cloud[saga_runs]))
    family("vms", "gauge", "Virtual machines by state.", _states(cloud[vms]))
    family("hosts", "gauge", "Hosts by state.", _states(cloud[hosts]))
    usage = cloud.view(Capacity).usage("zone").items()
    for name, about in (("used_mib", "Memory promised."), ("total_mib", "Memory on offer.")):
        zone_samples = [(f'{{zone="{zone}"}}', float(getattr(u, name, 0))) for zone, u in usage]
        family(f"memory_{name}", "gauge", about, zone_samples)
    return "\n".join(lines) + "\n"


def _states(rows: Iterable[object]) -> list[Sample]:
    counted = Counter(str(getattr(row, "state", "")) for row in rows)
    return [(f'{{state="{state}"}}', count) for state, count in sorted(counted.items())]
