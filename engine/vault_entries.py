"""Where a vault keeps its sealed entries: the seam between its secrets and a file or a table."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from engine.log.errors import LogUnavailable


class VaultError(Exception):
    """The vault cannot be opened or used; the message says what to do."""


class VaultUnavailable(VaultError, LogUnavailable):
    """Its disk is full, or fails: what was asked was not done, and may be asked again."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """One entry as it lies. A `lasting` one never changes until it is gone: it may be kept open."""

    content: bytes
    lasting: bool


class Entries(Protocol):
    """Entries by id. What was written is durable when the call returns."""

    name: str

    async def read(self, entry: UUID) -> Sealed | None: ...

    async def write(self, entry: UUID, sealed: bytes, *, lasting: bool) -> None:
        """Put an entry, in place of the one with this id if there is one."""

    async def keep(self, entry: UUID, sealed: bytes) -> None:
        """Put a lasting entry unless there is one already."""

    async def delete(self, entry: UUID) -> bool:
        """Whether there was one: of several who delete it at once, one is told so."""

    async def changed(self, known: Collection[UUID]) -> Collection[UUID]:
        """Which of these may no longer be kept open, as another controller changed them."""

    async def close(self) -> None: ...
