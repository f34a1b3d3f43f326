"""The log: the only truth. See `log.Log` for what it promises."""

from engine.log.errors import LogError, LogLocked, LogUnavailable, Unreadable
from engine.log.log import Listener, Log
from engine.log.seal import Seal, SealsDamaged, load_public_key, read_seals
from engine.log.sealer import Sealer
from engine.log.unit import Append, LogStats, Stored, Unit
from engine.log.verify import Finding, verify

__all__ = [
    "Append",
    "Finding",
    "Listener",
    "Log",
    "LogError",
    "LogLocked",
    "LogStats",
    "LogUnavailable",
    "Seal",
    "Sealer",
    "SealsDamaged",
    "Stored",
    "Unit",
    "Unreadable",
    "load_public_key",
    "read_seals",
    "verify",
]
