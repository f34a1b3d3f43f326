"""Folds the half of a long past that `engine.halves` asks for: `python -m engine.other_half`.

It is asked on its input and answers on its output. It imports no nouns but those of its half.
"""

from __future__ import annotations

import asyncio
import os
import sys

import msgspec

import projections.addresses
import projections.capacity
import projections.event_list
import projections.saga
import projections.space  # noqa: F401 - they declare the parts of this half
from engine.clock import SystemClock
from engine.collector import at_rest
from engine.halves import OTHER_HALF, Asked, Folded
from engine.log import Log
from engine.log.unit import Selection
from engine.past_jobs import ENTRIES, JOBS, RUNS, jobs_until
from projections.cloud import Cloud


async def fold(asked: Asked) -> Folded:
    ledgers = Cloud().defer(OTHER_HALF - JOBS)
    selected = Selection(tuple(sorted(ledgers.topics)))
    log = await Log.open(asked.url, now_ms=SystemClock().now_ms, read_only=True)
    try:
        await log.fold_past(ledgers.fold, until=asked.until, selected=selected)
        runs, entries = await jobs_until(log, asked.until)
    finally:
        await log.close()
    parts = dict[str, bytes]()
    folded = ((ledgers, OTHER_HALF - JOBS), (runs, {RUNS}), (entries, {ENTRIES}))
    for cloud, names in folded:
        encoded = cloud.settle().encode()
        parts |= {name: encoded[name] for name in names}
    position = max(cloud.position for cloud, _ in folded)
    return Folded(position, max(cloud.at_ms for cloud, _ in folded), parts)


async def answer(asked: bytes) -> None:
    """It ends the process: to let go of all objects one by one takes long, and somebody waits.

    `asyncio.run` would do worse with what a coroutine returns: it writes it out, all of it, into
    the words of an error that nobody sees (`signal.getsignal` tries its handler as a constant).
    """
    told = await fold(msgspec.msgpack.decode(asked, type=Asked))
    sys.stdout.buffer.write(msgspec.msgpack.encode(told))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    with at_rest():
        asyncio.run(answer(sys.stdin.buffer.read()))
