"""How the log fails. A conflict is the domain's `Conflict`; here is what is the log's own fault."""

import msgspec

# How msgspec fails on bytes that somebody has changed: text that is no UTF-8 is an error apart.
DAMAGED = (msgspec.MsgspecError, UnicodeDecodeError)


class LogError(Exception):
    """The log could not do what was asked."""


class LogUnavailable(LogError):
    """The unit was not acknowledged: the store refused, is full, is locked or is gone.

    Ask again with the same expected versions once the store is back. A connection that broke
    during the commit may have left the unit in the log: then asking again is a `Conflict`, and
    the events have reached the listeners.
    """


class LogLocked(LogError):
    """Another process writes this log; a second writer would break its order."""


class Unreadable(LogError):
    """A stored event cannot be understood: unknown topic, newer shape, or damage."""
