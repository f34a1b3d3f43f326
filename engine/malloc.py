"""Has all threads share one of glibc's arenas.

By default a thread that allocates gets an arena of its own, and what it has freed there only that
arena gives out again. A start reads its checkpoint in threads: as much as they had in use at one
time stayed with the controller for ever, 15 MB with 100,000 guests. One thread runs Python at a
time, so they seldom wait for one another here. See `mallopt(3)`.
"""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8


def share_one_arena() -> None:
    """Call before there are threads; arenas that exist stay. Does nothing on another C library."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
