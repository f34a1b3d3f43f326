"""Knows which promises are not on the log yet, and lets whoever was refused for their sake wait.

A promise counts from the moment it is made, so that two decisions of one turn never give the same
thing away. But the commit that it is made for may fail, and then it never was: who was told
meanwhile that nothing is free was told what was true at no moment. So a refusal is final only if
nothing was promised when it was decided; else it waits for those promises, and is decided again.
"""

from __future__ import annotations

import asyncio

from engine.draft import Draft
from engine.failure import Failure, failure_of
from engine.log import LogUnavailable

# The failures that may be for the sake of a promise, by class name.
SCARCE = ("Exhausted", "LimitReached", "AlreadyExists")
# Who was refused beside so many rounds of promises, one after the other, is refused.
ROUNDS_MAX = 16


class UnderWay:
    def __init__(self) -> None:
        self._drafts: set[Draft] = set()
        self._waiting: list[tuple[set[Draft], asyncio.Future[None], bool]] = []

    def begin(self, draft: Draft) -> None:
        """The draft is on its way to the log."""
        if draft.promises:
            self._drafts.add(draft)

    def end(self, draft: Draft) -> None:
        """It is on the log, or it never will be and what it promised was given back."""
        if draft not in self._drafts:
            return
        self._drafts.remove(draft)
        for left, settled, _ in self._waiting:
            left.discard(draft)
            if not left and not settled.done():
                settled.set_result(None)

    def stalled(self, error: LogUnavailable) -> None:
        """The log cannot be written now: who does not wait for it need not wait for promises."""
        for _, settled, patient in self._waiting:
            if not patient and not settled.done():
                settled.set_exception(LogUnavailable(str(error)))

    def __bool__(self) -> bool:
        return bool(self._drafts)

    async def settled(self, *, patient: bool) -> None:
        """Wait until all that is promised now is settled.

        `LogUnavailable` for who is not `patient`, if the log cannot be written.
        """
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (set(self._drafts), settled, patient)
        self._waiting.append(entry)
        try:
            await settled
        finally:
            self._waiting.remove(entry)


class Rounds:
    """One decision that may have to be taken again, for the sake of what others were promised."""

    __slots__ = ("_left", "_patient", "_under_way")

    def __init__(self, under_way: UnderWay, *, patient: bool) -> None:
        self._under_way, self._patient, self._left = under_way, patient, ROUNDS_MAX

    def worth(self, refusal: Failure | Exception) -> bool:
        """Whether a refusal may be for the sake of what is promised just now."""
        if not self._under_way or not self._left:
            return False
        known = refusal.error if isinstance(refusal, Failure) else failure_of(refusal)[0]
        return known in SCARCE

    async def next(self) -> None:
        """Wait until what is promised now is settled."""
        self._left -= 1
        await self._under_way.settled(patient=self._patient)
