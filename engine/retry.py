"""What follows a failed attempt: another one, later, or giving up. Pure; knows no noun.

`Unavailable` and `Unknown` are worth repeating with the same key until the step's patience ends;
so is a log that could not be written, for a step that asks for other jobs.
Everything else has said its last word.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.contract.errors import Unavailable, Unknown
from engine.log import LogUnavailable

WORTH_REPEATING = (Unavailable, Unknown, TimeoutError, LogUnavailable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a step is repeated. Delays double from `first_s` up to `longest_s`."""

    attempts: int = 6
    first_s: float = 0.2
    longest_s: float = 30.0

    def delay_s(self, error: BaseException, attempt: int) -> float | None:
        """Seconds until the next attempt after `attempt` failed ones, or None to give up."""
        if not isinstance(error, WORTH_REPEATING) or attempt >= self.attempts:
            return None
        return float(min(self.first_s * 2 ** (attempt - 1), self.longest_s))


FORWARD = Patience()
UNDO = Patience(attempts=8)
FORWARD_ONLY = Patience(attempts=8)
