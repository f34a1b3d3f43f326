"""Keeps Python's cyclic collector from stopping the event loop.

Rows and indexes live for ever and form no cycles, but a full collection walks all of them: pauses
of 36 to 113 ms were measured in a cloud of 500 guests, and they grow with it. What is loaded at
start-up is set aside, and collections are rarer. Reference counting, which frees nearly
everything, is untouched.

What has come since is walked as well. A deploy leaves 75 objects that live on, so 5,600 deploys
filled a middle generation of 400,000, and to walk that stopped the loop for 316 ms where a young
one takes 20. So the middle one is walked after few young ones: each object as often as before, in
pauses that are a fifth as long. The old one is walked as seldom as before.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG, MIDDLE, OLD = 10_000, 4, 500
_resting = 0


def settle(*, sweep: bool = True) -> None:
    """Call once the past is folded and before anybody is served, and before the rest is over.

    Without `sweep` nothing is looked for that has died in a cycle since the last call: a past that
    is folded leaves little (3,000 objects of 200,000 events), a thousand modules as much, and to
    walk what lives takes long. The first collection after a rest walks it too, if it is not set
    aside by then.
    """
    if sweep:
        gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


@contextmanager
def at_rest() -> Iterator[None]:
    """No collections while a past is folded: it makes millions of objects that live on.

    Each collection would walk all that are there already, which took more than half of a fold.
    Several pasts may be folded at a time; call it on the event loop.
    """
    global _resting
    if not _resting and not gc.isenabled():  # somebody else's wish
        yield
        return
    _resting += 1
    gc.disable()
    try:
        yield
    finally:
        _resting -= 1
        if not _resting:
            gc.enable()
