"""One table: what OpenStack's services answer, and which of the contract's errors that is.

A 4xx is a definite answer that nothing was done. A 5xx, a lost line and a timeout are not, once
the request may have been read: a question can be asked again, a change may have happened.
"""

from __future__ import annotations

import aiohttp

from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown


class NotThere(Refused):
    """404: what was named is not there (or is not this project's)."""


class Denied(Refused):
    """403: the service's policy does not let these credentials do it."""


class Conflict(Unavailable):
    """409: not in the state that it is in now."""


class Invalid(Refused):
    """400: the service does not take the request as it is."""


BY_STATUS: dict[int, type[DriverError]] = {
    400: Invalid,
    401: Refused,
    403: Denied,
    404: NotThere,
    408: Unavailable,
    409: Conflict,
    410: NotThere,
    413: Unavailable,
    429: Unavailable,
    503: Unavailable,
}
# A limit of the project or of the scheduler: room may come.
FULL_WORDS = ("quota", "exceeds available", "no valid host", "exceeded maximum number of retries")
# Why a server or a volume is in error: what may go well another time. Everything else is refused.
PASSING_WORDS = (*FULL_WORDS, "weighted backend", "no valid backend", "timed out", "timeout")


def of_answer(status: int, said: str, *, doing: str, changing: bool) -> DriverError:
    """The contract's error for an answer that is no success."""
    text = f"{doing}: {said or 'no reason given'} (HTTP {status})"
    if status in (400, 403) and any(words in said.lower() for words in FULL_WORDS):
        return Unavailable(text)
    if (kind := BY_STATUS.get(status)) is not None:
        return kind(text)
    if status < 500:
        return Refused(text)
    return Unknown(text) if changing else Unavailable(text)


def of_line(error: Exception, *, doing: str, changing: bool) -> DriverError:
    """The contract's error for a line that broke or never was, or an answer that did not come."""
    text = f"{doing}: {error or type(error).__name__}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unavailable(text)
    return Unknown(text) if changing else Unavailable(text)


def of_fault(why: str, *, doing: str) -> DriverError:
    """The contract's error for something that is in error, by what its service says of it."""
    text = f"{doing}: {why or 'its service does not say why'}"
    passing = any(words in why.lower() for words in PASSING_WORDS)
    return Unavailable(text) if passing else Refused(text)
