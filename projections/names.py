"""How often each unique name was claimed: the version that the next claim must name."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from aggregates.base import Recorded
from aggregates.name import NameClaimed
from projections.cloud import projection
from projections.packed import Packed


@projection
class Names:
    TOPICS: ClassVar[tuple[str, ...]] = (NameClaimed.TOPIC,)

    def __init__(self) -> None:
        self._versions = Packed(version="I")

    def version(self, ledger: UUID) -> int:
        found = self._versions.get(ledger.int)
        return 0 if found is None else int(found[0])

    def fold(self, recorded: Recorded) -> None:
        ledger = recorded.stream.int
        if ledger in self._versions:
            self._versions.remove(ledger)
        self._versions.put(ledger, recorded.version)

    def encode(self) -> bytes:
        return self._versions.saved()

    def restore(self, encoded: bytes) -> None:
        self._versions.take(encoded)
