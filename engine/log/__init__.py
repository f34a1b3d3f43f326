"""The log: the only truth. See `log.Log` for what it promises."""

from engine.log.errors import LogError, LogLocked, LogUnavailable, Unreadable
from engine.log.log import Listener, Log
from engine.log.unit import Append, LogStats, Stored, Unit

__all__ = [
    "Append",
    "Listener",
    "Log",
    "LogError",
    "LogLocked",
    "LogStats",
    "LogUnavailable",
    "Stored",
    "Unit",
    "Unreadable",
]
