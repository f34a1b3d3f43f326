"""The id of the cloud that a log tells, known from the log alone."""

from __future__ import annotations

from typing import Protocol
from uuid import NAMESPACE_OID, UUID, uuid5

from aggregates.identity import IDENTITY, IdentityRestored
from engine.log import codec
from engine.log.unit import Stored


class Rows(Protocol):
    """The part of a store that is asked here."""

    def rows(self, after: int, until: int | None, limit: int) -> list[Stored]: ...
    def stream(self, stream: UUID, after: int) -> list[Stored]: ...


def cloud_id(store: Rows) -> UUID | None:
    """The cloud's id; None while the log is empty. Every controller comes to the same."""
    first = store.rows(0, None, 1)
    if not first:
        return None
    told = store.stream(IDENTITY, 0)
    return identity(first[0], told[-1] if told else None)


def identity(first: Stored, told: Stored | None) -> UUID:
    """The same from the log's first row and the last of its stream of identities."""
    if told is not None:
        event = codec.decode(told).event
        assert isinstance(event, IdentityRestored)
        return event.cloud_id
    return uuid5(NAMESPACE_OID, f"{first.stream} {first.state.decode()}")
