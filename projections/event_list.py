"""What people did, and how it ended: the latest of it, for listEvents.

Every commit that somebody asked for carries its action on its first event, and a saga says when it
is over; so each of them is one entry. Entries are facts only: names and sentences are made when
they are read. Only the latest are kept here; the log has them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from itertools import takewhile
from pkgutil import iter_modules
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from msgspec.structs import replace

import aggregates
from aggregates.base import Event, Recorded
from aggregates.event_list import EventsArchived, EventsDeleted
from aggregates.saga import SagaFailed, SagaParked, SagaStarted, SagaSucceeded, UndoStarted
from projections.cloud import projection
from projections.latest import Latest

KEPT = 50_000
# The engine's own housekeeping would drown what people did.
HOUSEKEEPING = "SYSTEM"
# CloudStack's words for what events and jobs are about; the rest is our noun in its spelling. Rules
# of firewalls and of forwarding are one kind to it, and addresses of any sort are another.
KINDS = {
    "vm": "VirtualMachine",
    "router": "DomainRouter",
    "public_ip_address": "IpAddress",
    "nic_ip": "IpAddress",
    "os_type": "GuestOs",
    "network_service_provider": "PhysicalNetworkServiceProvider",
    "load_balancer": "LoadBalancerRule",
    "egress_firewall_rule": "FirewallRule",
    "ipv6_firewall_rule": "FirewallRule",
    "port_forwarding_rule": "FirewallRule",
    "ip_forwarding_rule": "FirewallRule",
    "saga": "Job",
    "ssh_key_pair": "SSHKeyPair",
}
_ID_HIGH = 0x5A6A_5A6A_5A6A_8000  # version 8 of RFC 9562: a layout of our own
_ID_LOW = 0x8000_0000_0000_0000

# Any event may carry an action, so all of their topics must be known before any is folded.
for _found in iter_modules(aggregates.__path__):
    import_module(f"aggregates.{_found.name}")


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One line of the list. `parent` is the position of the entry that this one ends, or 0."""

    position: int
    at_ms: int
    action: str
    state: str
    user_id: UUID | None
    account_id: UUID | None
    kind: str
    subject_id: UUID | None
    parent: int = 0
    error: str = ""

    @property
    def id(self) -> UUID:
        return self.id_at(self.position)

    @staticmethod
    def id_at(position: int) -> UUID:
        """Made of the position, so that it is the same after every rebuild."""
        return UUID(int=(_ID_HIGH << 64) | _ID_LOW | position)

    @property
    def level(self) -> str:
        return "ERROR" if self.error else "INFO"

    @property
    def resource_type(self) -> str | None:
        """The wire's word for what it happened to."""
        return resource_type(self.kind)

    @property
    def description(self) -> str:
        """What happened, in a sentence."""
        about = f"{self.kind.replace('_', ' ')} {self.subject_id}".strip()
        if self.error:
            return f"{self.action} of {about} {self.error}"
        if self.state == "Started":
            return f"{self.action} of {about} was started"
        return f"Successfully completed {self.action} of {about}"


@cache
def resource_type(kind: str) -> str | None:
    """The wire's word for a noun."""
    return KINDS.get(kind, kind.title().replace("_", "")) or None


def lists(recorded: Recorded) -> bool:
    """Whether an event is an entry by itself, whatever was listed before. That a saga it begins
    has ended, or what was put away, is one besides."""
    happened = recorded.event
    if isinstance(happened, SagaStarted):
        return happened.action not in ("", HOUSEKEEPING)
    return recorded.action not in ("", HOUSEKEEPING) and type(happened) not in _FOLDS


@projection
class EventList:
    """The latest entries, and the first entry of each saga that is not over."""

    TOPICS: ClassVar[tuple[str, ...]] = tuple(
        one.TOPIC
        for one in (
            *(SagaStarted, SagaSucceeded, UndoStarted, SagaFailed, SagaParked),
            *(EventsArchived, EventsDeleted),
        )
    )

    def __init__(self) -> None:
        self._entries = Latest(Entry)
        self._live: dict[UUID, Entry] = {}
        self._archived: set[int] = set()
        self._deleted: set[int] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def latest(self) -> Iterator[Entry]:
        """Newest first; what was put away left out."""
        return (one for one in reversed(self._entries) if not self._is_away(one))

    def since(self, position: int) -> list[Entry]:
        """What lies behind a position, oldest first, whether it was put away or not."""
        found = list(takewhile(lambda one: one.position > position, reversed(self._entries)))
        return found[::-1]

    def archived(self) -> Iterator[Entry]:
        """What was archived, newest first."""
        away = self._archived - self._deleted
        return (one for one in reversed(self._entries) if one.position in away)

    def before(self, at_ms: float) -> Iterator[Entry]:
        """What is older and was not deleted, oldest first."""
        old = takewhile(lambda one: one.at_ms < at_ms, self._entries)
        return (one for one in old if one.position not in self._deleted)

    def _is_away(self, one: Entry) -> bool:
        return one.position in self._archived or one.position in self._deleted

    def fold(self, recorded: Recorded) -> None:
        """What is more than an entry of its own."""
        _FOLDS[type(recorded.event)](self, recorded, recorded.event)

    def acted(self, recorded: Recorded) -> None:
        """Everything else that somebody asked for is an entry."""
        if recorded.action != HOUSEKEEPING and type(recorded.event) not in _FOLDS:
            self._add(recorded, recorded.action, recorded.event.KIND, recorded.stream)

    def _succeed(self, recorded: Recorded, _: SagaSucceeded) -> None:
        self._end(recorded, "", over=True)

    def _fail(self, recorded: Recorded, _: SagaFailed) -> None:
        self._end(recorded, self._why(recorded.stream), over=True)

    def _park(self, recorded: Recorded, parked: SagaParked) -> None:
        self._end(recorded, f"parked: {parked.error}: {parked.text}", over=False)

    def _archive(self, recorded: Recorded, put_away: EventsArchived) -> None:
        self._archived.update(put_away.positions)
        self._add(recorded, recorded.action, "", None)

    def _delete(self, recorded: Recorded, put_away: EventsDeleted) -> None:
        self._deleted.update(put_away.positions)
        self._add(recorded, recorded.action, "", None)

    def _begin(self, recorded: Recorded, begun: SagaStarted) -> None:
        if lists(recorded):
            kind, subject_id = begun.subject_kind, begun.subject_id
            self._live[recorded.stream] = self._add(
                recorded, begun.action, kind, subject_id, state="Started"
            )

    def _blame(self, recorded: Recorded, undo: UndoStarted) -> None:
        """Remember why a saga goes back, until it has."""
        first = self._live.get(recorded.stream)
        if first is not None:
            self._live[recorded.stream] = replace(first, error=undo.text)

    def _why(self, run_id: UUID) -> str:
        first = self._live.get(run_id)
        return f"failed: {first.error}" if first else ""

    def _end(self, recorded: Recorded, error: str, *, over: bool) -> None:
        first = self._live.get(recorded.stream)
        if first is None:
            return
        if over:
            del self._live[recorded.stream]
        self._add(
            recorded, first.action, first.kind, first.subject_id, parent=first.position, error=error
        )

    def _add(
        self,
        recorded: Recorded,
        action: str,
        kind: str,
        subject_id: UUID | None,
        *,
        state: str = "Completed",
        parent: int = 0,
        error: str = "",
    ) -> Entry:
        made = Entry(
            recorded.position,
            recorded.at_ms,
            action,
            state,
            recorded.user,
            recorded.account,
            kind,
            subject_id,
            parent,
            error,
        )
        forgotten = self._entries.append(made, most=KEPT)
        if forgotten is not None:
            self._archived.discard(forgotten.position)
            self._deleted.discard(forgotten.position)
        return made

    def encode(self) -> bytes:
        away = self._kept(self._archived), self._kept(self._deleted)
        return msgspec.msgpack.encode((self._entries.encode(), self._live, *away))

    def _kept(self, away: set[int]) -> list[int]:
        """In order, and without what was put away only after it was forgotten."""
        oldest = next(iter(self._entries)).position if len(self) >= KEPT else 0
        return sorted(position for position in away if position >= oldest)

    def restore(self, encoded: bytes) -> None:
        parts, self._live, self._archived, self._deleted = msgspec.msgpack.decode(
            encoded, type=tuple[list[msgspec.Raw], dict[UUID, Entry], set[int], set[int]]
        )
        self._entries.restore(parts)


# What is more than an entry of its own.
_FOLDS: dict[type[Event], Callable[[EventList, Recorded, Any], None]] = {
    SagaStarted: EventList._begin,
    SagaSucceeded: EventList._succeed,
    UndoStarted: EventList._blame,
    SagaFailed: EventList._fail,
    SagaParked: EventList._park,
    EventsArchived: EventList._archive,
    EventsDeleted: EventList._delete,
}
