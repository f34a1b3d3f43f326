"""What one controller at a time does, as whoever does it sees it.

`Leases` says who does what among several controllers; one that is alone does everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

Work = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a lease now."""

    name: str
    holder: str
    token: int
    since_ms: int


class Duties(Protocol):
    """Who does what of all the controllers: `Leases`, or `Alone` where there is one."""

    async def while_held(self, name: str, work: Work) -> None:
        """Run `work(token)` whenever this controller has the lease, and cancel it when it is lost.

        Ends when the work ends by itself, with its error if it has one. The token grows with each
        change of hands. Work that is cancelled has to end at once: another begins soon after.
        """

    def token(self, name: str) -> int | None:
        """The token, for as long as the lease is this controller's beyond doubt; else None."""

    async def holders(self) -> list[Holder]:
        """All leases that are held, by whichever controller."""

    async def close(self) -> None:
        """Let go of everything."""


class Alone:
    """The same for a controller that shares with nobody: it holds everything, always."""

    def __init__(self, holder: str = "") -> None:
        self._holder = holder
        self._at_work: list[str] = []

    async def while_held(self, name: str, work: Work) -> None:
        self._at_work.append(name)
        try:
            await work(0)
        finally:
            self._at_work.remove(name)

    def token(self, name: str) -> int | None:
        return 0

    async def holders(self) -> list[Holder]:
        return [Holder(name, self._holder, 0, 0) for name in sorted(set(self._at_work))]

    async def close(self) -> None: ...
