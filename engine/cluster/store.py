"""Which stores several controllers can share, and how asking one fails.

Whoever needs no more than this needs no client of databases, and a controller that is alone never
imports one.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from engine.log.errors import LogUnavailable


class DatabaseGone(LogUnavailable):
    """The database could not be asked or did not answer; a change may have been made or not."""


def is_shared(url: str) -> bool:
    """Can several controllers use the store at this address?"""
    return urlsplit(url).scheme in ("postgres", "postgresql")
