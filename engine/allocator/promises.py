"""What the three kinds of ledger have in common: one promise a key, and one way to end it."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from aggregates.base import Event
from aggregates.errors import Conflict
from engine.allocator.request import Decision, Write
from projections.pending import Pending, Pendings


class Ledgers(Protocol):
    """A fold that promises can be marked in."""

    @property
    def pendings(self) -> Pendings: ...
    def forget(self, hold: UUID) -> None: ...


def writes(pending: Pending, slack: tuple[int, ...] | None = None) -> tuple[Write, ...]:
    """What to commit for one pending append, and how much others may take before it."""
    return (Write(pending.stream, pending.expected, pending.event, slack),)


def standing(ledgers: Ledgers, hold: UUID) -> Pending | None:
    """The promise made for this key and not yet on the log. One that cannot succeed is dropped."""
    pending = ledgers.pendings.takes.get(hold.int)
    if pending is not None and pending.doomed:
        ledgers.forget(hold)
        return None
    return pending


def refuse_if_leaving(pendings: Pendings, hold: UUID) -> None:
    """Nobody may count on what is being released."""
    if hold.int in pendings.frees:
        raise Conflict(f"what {hold} holds is being released: wait for that, then ask again")


def free(
    pendings: Pendings,
    hold: UUID,
    stream: UUID,
    version: int,
    freed: Event,
    slack: tuple[int, ...] | None = None,
) -> Decision:
    """End a promise. What it held stays marked until the log says that it is free."""
    return _once(pendings, pendings.frees, hold.int, stream, version, freed, slack)


def supply(pendings: Pendings, key: UUID, stream: UUID, version: int, event: Event) -> Decision:
    """Change what is offered, under the key of the step that says so."""
    return _once(pendings, pendings.supplies, key.int, stream, version, event)


def _once(
    pendings: Pendings,
    book: dict[int, Pending],
    key: int,
    stream: UUID,
    version: int,
    event: Event,
    slack: tuple[int, ...] | None = None,
) -> Decision:
    pending = book.get(key)
    if pending is not None and (pending.doomed or pending.event != event):
        pendings.forget(pending)
        pending = None
    if pending is None:
        pending = pendings.add(book, key, stream, version, event, loose=slack is not None)
    return Decision(writes(pending, slack))
