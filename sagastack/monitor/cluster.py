"""What a controller tells of its part in a cluster: leases that it holds, the relay, what waits.

Each figure is read when it is asked for, from objects that know nothing of metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from sagastack.monitor.exposition import Family, by_label, counter, gauge

# Every duty that one controller at a time does.
DUTIES = ("relay", "seal relay", "sealer", "chores", "reconcilers", "traps", "webhooks")


class Holds(Protocol):
    """`engine.cluster.leases.Duties`, as far as it is asked here."""

    def token(self, name: str) -> int | None: ...


class Relayed(Protocol):
    """`engine.cluster.relay.RelayFigures`."""

    @property
    def running(self) -> bool: ...
    @property
    def connected(self) -> bool: ...
    @property
    def position(self) -> int: ...
    @property
    def lag(self) -> int: ...
    @property
    def events(self) -> int: ...
    @property
    def batches(self) -> int: ...
    @property
    def errors(self) -> int: ...
    @property
    def fenced(self) -> int: ...


Source = Callable[[], Iterable[Family]]


def leases(duties: Holds, names: Iterable[str] = DUTIES) -> Source:
    """Which duties this controller does now: over all controllers each sums to one."""

    def families() -> Iterator[Family]:
        held = {name: float(duties.token(name) is not None) for name in names}
        yield by_label(gauge("lease_held", "1 where this controller has the lease."), "lease", held)

    return families


def relay(figures: Relayed) -> Source:
    """How far the relay of this process is. Only the one that runs says something of the lag."""

    def families() -> Iterator[Family]:
        yield gauge("relay_running", "1 where this controller is the relay.", figures.running)
        about = "1 while the relay of this controller is connected with Kafka."
        yield gauge("relay_connected", about, figures.connected)
        about = "Position of the last event that this relay knows in Kafka."
        yield gauge("relay_position", about, figures.position)
        about = "Positions of the log that are not in Kafka yet; 0 where the relay does not run."
        yield gauge("relay_lag_events", about, figures.lag if figures.running else 0)
        yield counter("relay_events_total", "Events that it has published.", figures.events)
        yield counter("relay_batches_total", "Transactions that it committed.", figures.batches)
        yield counter("relay_errors_total", "Times that publishing failed.", figures.errors)
        yield counter("relay_fenced_total", "Times that another relay came.", figures.fenced)

    return families


def waiting(reads: Callable[[], float], lag: Callable[[], float]) -> Source:
    """Reads that wait until what they must see is folded, and how far the fold is behind."""

    def families() -> Iterator[Family]:
        yield gauge("reads_waiting", "Reads that wait for the fold to come up to them.", reads())
        about = "Positions of the log that are known to be there and not folded here yet."
        yield gauge("feed_lag_events", about, lag())

    return families
