"""An event as a consumer is given it, whichever way it came."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from consumers import types


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact of the log. `id` is the same from every source and for every repetition.

    `data` is the event's class from `aggregates` where this program knows the topic, else a plain
    dict: a consumer that is older than the cloud goes on. `partition` is where its order holds:
    positions only grow within one. `action` is what a caller asked for (`VM.CREATE`), on the first
    event that came of it.
    """

    id: str
    position: int
    stream: UUID
    version: int
    topic: str
    at: datetime
    data: Any
    user: UUID | None = None
    account: UUID | None = None
    saga: UUID | None = None
    action: str = ""
    partition: int = 0

    @property
    def noun(self) -> str:
        """What kind of thing it happened to: `vm` of `vm.started`."""
        return self.topic.partition(".")[0]

    @property
    def fields(self) -> dict[str, Any]:
        """The event's own fields as plain JSON values, whether its class is known or not."""
        plain = msgspec.to_builtins(self.data)
        return plain if isinstance(plain, dict) else {}


def make(
    *,
    position: int,
    stream: UUID,
    version: int,
    topic: str,
    at_ms: int,
    shape: int,
    fields: bytes | msgspec.Raw,
    user: UUID | None,
    account: UUID | None,
    saga: UUID | None,
    action: str,
    partition: int,
) -> Event:
    """An event from its parts; `shape` is the version of its fields."""
    return Event(
        id=f"{stream}/{version}",
        position=position,
        stream=stream,
        version=version,
        topic=topic,
        at=datetime.fromtimestamp(at_ms / 1000, UTC),
        data=types.typed(topic, shape, fields),
        user=user,
        account=account,
        saga=saga,
        action=action,
        partition=partition,
    )
