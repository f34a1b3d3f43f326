"""Keeps Python's cyclic collector from stopping the event loop.

Rows and indexes live for ever and form no cycles, but a full collection walks all of them: pauses
of 36 to 113 ms were measured in a cloud of 500 guests, and they grow with it. What is loaded at
start-up is set aside, and collections are rarer. Reference counting, which frees nearly
everything, is untouched.

What has come since is walked as well, and once: a deploy leaves some 50 objects that live on, and
hardly one in a hundred deploys leaves one that died in a cycle. Walked as young ones, and later all
together as middle ones, they cost 3 % of a deploy, and to walk 400,000 middle ones stopped the loop
for 316 ms. So the young are always walked together with the middle, which is empty then: what is
left is old. The old are walked as seldom as before.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# The middle is due whenever its count of young collections, here 0 for ever, is more than MIDDLE.
YOUNG, MIDDLE, OLD = 10_000, -1, 2_500
WALKED_AT_MOST = 100_000
"""So many objects that a rest brought are walked; more are set aside."""
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

    Each collection would walk all that are there already, which took more than half of a fold; and
    the first one behind it, 0.8 s of a cloud of 100,000 guests. So what a long rest brought is set
    aside with all else that there is: a past cloud has no cycles, and goes with its last reference.
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
            if gc.get_count()[0] > WALKED_AT_MOST:
                gc.freeze()
            gc.enable()
