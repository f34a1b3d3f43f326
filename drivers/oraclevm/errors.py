"""One table: what an agent says, and which of the contract's three errors that is.

A fault is the agent's definite answer that it did not do it, so `Refused` is the default. What may
be otherwise soon (memory, room, a lock) is `Unavailable`. What was lost on the way is not here: the
client knows whether a call that was lost was one that changes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from xmlrpc.client import Fault

from drivers.contract.errors import DriverError, Refused, Unavailable

BY_WORDS: tuple[tuple[str, type[DriverError]], ...] = (
    ("KiB, but dom0_min_mem", Unavailable),
    ("Not enough free memory", Unavailable),
    ("Cannot allocate memory", Unavailable),
    ("No space left on device", Unavailable),
    ("has not enough space", Unavailable),
    ("Device or resource busy", Unavailable),
    ("Bridge is Busy", Unavailable),
    ("is locked by", Unavailable),
    ("Lock file", Unavailable),
    ("Stale NFS file handle", Unavailable),
    ("Connection timed out", Unavailable),
    ("Connection refused", Unavailable),
    ("No route to host", Unavailable),
)
# What whoever removes, stops or pauses a thing wants to hear.
GONE = (
    "does not exist",
    "No domain id for",
    "No such file or directory",
    "Cannot find link for",
    "is not running",
)
THERE = ("already exists", "File exists", "is already running", "already mounted", "already paused")


def of_fault(fault: Fault, *, doing: str) -> DriverError:
    text = f"{doing}: {fault.faultString.strip() or f'fault {fault.faultCode}'}"
    for words, kind in BY_WORDS:
        if words in fault.faultString:
            return kind(text)
    return Refused(text)


def is_gone(error: DriverError) -> bool:
    return any(words in str(error) for words in GONE)


def is_there(error: DriverError) -> bool:
    return any(words in str(error) for words in THERE)


@contextmanager
def tolerating(wanted: Callable[[DriverError], bool]) -> Iterator[None]:
    """A fault that says that it is so already is success."""
    try:
        yield
    except DriverError as error:
        if not wanted(error):
            raise
