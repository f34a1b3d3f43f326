"""What follows a failed attempt: another one, later, or giving up. Pure; knows no noun.

`Unavailable` and `Unknown` are worth repeating with the same key until the step's patience ends;
so is a log that could not be written, for a step that asks for other jobs, and what the
controller's own machine refuses while it lacks something. Everything else has said its last word.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from drivers.contract.errors import Unavailable, Unknown
from engine.log import LogUnavailable

WORTH_REPEATING = (Unavailable, Unknown, TimeoutError, LogUnavailable)
# No room, no descriptors, no process or memory; a disk that fails, or is mounted read-only for it.
LACKING = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EMFILE,
        errno.ENFILE,
        errno.EAGAIN,
        errno.ENOMEM,
        errno.EIO,
        errno.ESTALE,
        errno.EROFS,
    }
)


def of_this_machine(error: BaseException) -> bool:
    """Whether it says what the controller's own machine lacks now."""
    return isinstance(error, OSError) and error.errno in LACKING


def worth_repeating(error: BaseException) -> bool:
    return isinstance(error, WORTH_REPEATING) or of_this_machine(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a step is repeated. Delays double from `first_s` up to `longest_s`."""

    attempts: int = 6
    first_s: float = 0.2
    longest_s: float = 30.0

    def delay_s(self, error: BaseException, attempt: int) -> float | None:
        """Seconds until the next attempt after `attempt` failed ones, or None to give up."""
        if not worth_repeating(error) or attempt >= self.attempts:
            return None
        return float(min(self.first_s * 2 ** (attempt - 1), self.longest_s))


FORWARD = Patience()
UNDO = Patience(attempts=8)
FORWARD_ONLY = Patience(attempts=8)
