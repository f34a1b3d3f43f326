"""Keeps Python's cyclic collector from stopping the event loop.

Rows and indexes live for ever and form no cycles, but a full collection walks all of them: pauses
of 36 to 113 ms were measured in a cloud of 500 guests, and they grow with it. What is loaded at
start-up is set aside, and collections are rarer. Reference counting, which frees nearly
everything, is untouched.
"""

from __future__ import annotations

import gc

YOUNG, MIDDLE, OLD = 20_000, 20, 50


def settle() -> None:
    """Call once the past is folded and before anybody is served."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
