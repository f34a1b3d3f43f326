"""A moment as people type it: a time, a position of the log, or how long ago.

2026-01-31T10:00:00+0000    a time (UTC where it says nothing else)
@1234                       after the event at this position
-2h   -30m   -1d            that long before now (s, m, h, d, w)
now                         the end of the log
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from aggregates.errors import NotFound
from engine.log import Log

UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
FORMS = "a time such as 2026-01-31T10:00:00Z, @1234 for a position, -2h, or now"
AGO = re.compile(r"-(\d+)([smhdw])")


@dataclass(frozen=True, slots=True)
class Moment:
    """One of the three, and the text that said it. Without any it is the end of the log."""

    text: str
    at_ms: int | None = None
    position: int | None = None
    ago_ms: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """For `type=` of an argument."""
        words = text.strip()
        if words in ("now", ""):
            return cls("now")
        if words.startswith("@") and words[1:].isdecimal():
            return cls(words, position=int(words[1:]))
        if ago := AGO.fullmatch(words):
            return cls(words, ago_ms=int(ago[1]) * UNIT_MS[ago[2]])
        try:
            when = datetime.fromisoformat(words)
        except ValueError as wrong:
            raise argparse.ArgumentTypeError(f"{text!r} is no moment: give {FORMS}") from wrong
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        return cls(words, at_ms=int(when.timestamp() * 1000))

    async def resolve(self, log: Log, now_ms: int) -> int:
        """The position of the last event at or before it: 0 before the first event."""
        if self.position is not None:
            end = await log.position()
            if self.position > end:
                raise NotFound(f"there is no position {self.position} yet: the log ends at @{end}")
            return self.position
        at_ms = now_ms - self.ago_ms if self.ago_ms is not None else self.at_ms
        if at_ms is None:
            return await log.position()
        if at_ms > now_ms:
            raise NotFound(f"{self.text} has not come yet: it is {iso(now_ms)} now")
        return await log.position_at(at_ms)


def joined(argv: Sequence[str]) -> list[str]:
    """`--from -2h` as `--from=-2h`, which argparse would take for an option otherwise."""
    words: list[str] = []
    for word in argv:
        if words and words[-1].startswith("--") and AGO.fullmatch(word):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def iso(at_ms: int) -> str:
    """A time as every tool writes it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
