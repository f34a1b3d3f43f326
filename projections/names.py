"""How often each unique name was claimed: the version that the next claim must name."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

import msgspec

from aggregates.base import Recorded
from aggregates.name import NameClaimed
from projections.cloud import projection


@projection
class Names:
    TOPICS: ClassVar[tuple[str, ...]] = (NameClaimed.TOPIC,)

    def __init__(self) -> None:
        self._versions: dict[UUID, int] = {}

    def version(self, ledger: UUID) -> int:
        return self._versions.get(ledger, 0)

    def fold(self, recorded: Recorded) -> None:
        self._versions[recorded.stream] = recorded.version

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self._versions)

    def restore(self, encoded: bytes) -> None:
        self._versions = msgspec.msgpack.decode(encoded, type=dict[UUID, int])
