"""The collector as a controller and the tools have it, for as long as something is measured."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from engine.collector import settle


@contextmanager
def settled() -> Iterator[None]:
    """Set aside what is there, and collect seldom; at the end it is as it was before."""
    before = gc.get_threshold()
    settle()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
