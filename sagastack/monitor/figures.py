"""What happened since the start, counted as the log tells it: commits, and saga runs by name.

It listens behind the fold, so a run's row is there when its end is told. Runs are counted by every
controller that folds the log, whoever drives them: over several controllers take the greatest
figure of a saga and not their sum.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from uuid import UUID

from aggregates.base import Recorded
from aggregates.saga import SagaStarted
from engine.log import Log
from engine.log.unit import LogStats
from projections.cloud import Cloud
from projections.saga import saga_runs
from sagastack.monitor.exposition import Family, Histogram, by_label, counter, gauge, histogram

COMMIT_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
COMMIT_EVENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
RUN_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
ENDS = {"saga.succeeded": "succeeded", "saga.failed": "failed", "saga.parked": "parked"}


class Figures:
    """Made after the engine, so that it hears of what the engine's fold has in."""

    def __init__(self, log: Log, cloud: Cloud) -> None:
        self._log, self._cloud = log, cloud
        self._commits = log.stats.batches
        self.commit_s, self.commit_events = Histogram(*COMMIT_S), Histogram(*COMMIT_EVENTS)
        self.started: Counter[str] = Counter()
        self.ended: dict[str, Counter[str]] = {end: Counter() for end in ENDS.values()}
        self.retries: Counter[str] = Counter()
        self.run_s: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(*RUN_S))
        log.listen(self.heard)

    def heard(self, batch: Sequence[Recorded]) -> None:
        stats = self._log.stats
        if stats.batches != self._commits:  # else others wrote it, and it was only taken in
            self._commits = stats.batches
            self.commit_s.observe(stats.last_batch_s)
            self.commit_events.observe(stats.last_batch_events)
        for recorded in batch:
            if recorded.event.KIND == "saga":
                self._run(recorded)

    def _run(self, recorded: Recorded) -> None:
        event, topic = recorded.event, recorded.event.TOPIC
        if isinstance(event, SagaStarted):
            self.started[event.name] += 1
        elif topic == "saga.step_failed":
            self.retries[self._name(recorded.stream)] += 1
        elif end := ENDS.get(topic):
            name = self._name(recorded.stream)
            self.ended[end][name] += 1
            row = self._cloud[saga_runs].get(recorded.stream)
            if row is not None and end != "parked":
                self.run_s[name].observe((recorded.at_ms - row.created_at_ms) / 1000)

    def _name(self, run_id: UUID) -> str:
        row = self._cloud[saga_runs].get(run_id)
        return row.name if row is not None else "unknown"

    def families(self) -> Iterator[Family]:
        """The log as this controller writes it, then saga runs."""
        yield from of_the_log(self._log.stats)
        about = "How long one commit took."
        yield histogram("log_commit_duration_seconds", about, {"": self.commit_s})
        about = "How many events went into one commit."
        yield histogram("log_commit_events", about, {"": self.commit_events})
        yield by_label(counter("sagas_started_total", "Saga runs begun."), "saga", self.started)
        ended = counter("sagas_ended_total", "Saga runs over, by how they ended.")
        for outcome in ("succeeded", "failed"):
            for name, count in sorted(self.ended[outcome].items()):
                ended.add(count, saga=name, outcome=outcome)
        yield ended
        parked = counter("sagas_parked_total", "Saga runs that stopped and wait for a person.")
        yield by_label(parked, "saga", self.ended["parked"])
        retries = counter("saga_retries_total", "Attempts of steps that failed and are repeated.")
        yield by_label(retries, "saga", self.retries)
        about = "From a saga run's beginning to its end."
        yield histogram("saga_duration_seconds", about, self.run_s, "saga")


def of_the_log(stats: LogStats) -> Iterator[Family]:
    """What the log counts by itself."""
    yield counter("log_events_total", "Events taken in, whoever wrote them.", stats.events)
    yield counter("log_units_total", "Units that this controller committed.", stats.units)
    yield counter("log_commits_total", "Commits of this controller.", stats.batches)
    yield counter("log_written_bytes_total", "What was written.", stats.size_bytes)
    about = "Units refused because somebody else was first; they are decided again."
    yield counter("log_conflicts_total", about, stats.conflicts)
    about = "Units refused because the store could not be written."
    yield counter("log_unavailable_total", about, stats.unavailable)
    yield gauge("log_queue_units", "Units that wait for a commit.", stats.queue_depth)
