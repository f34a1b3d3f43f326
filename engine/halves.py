"""A long past is folded by two processes, each of which reads only the rows that its half folds.

Jobs, the list of events and the ledgers of room and of addresses read no tables, and no fold reads
them: they are folded by a process of its own (`engine.other_half`), which gives them back as a
checkpoint holds them; of jobs and events it reads the end of the past alone (`engine.past_jobs`).
Should that fail, whoever asked folds all of it alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys

import msgspec

from engine.log import Log, LogError
from engine.log.unit import Selection
from projections.cloud import Cloud

log_ = logging.getLogger("sagastack.history")

LONG = 300_000
"""Shorter pasts are folded in the time that another process takes to begin."""
OTHER_HALF = frozenset(
    {"table:saga", "fold:Addresses", "fold:Capacity", "fold:EventList", "fold:Space"}
)
PROGRAM = ("-m", "engine.other_half")
TIMEOUT_S = 600.0


class Asked(msgspec.Struct, frozen=True):
    """What the other process is told: the log, and up to which position."""

    url: str
    until: int


class Folded(msgspec.Struct, frozen=True):
    """What it answers: its parts, and the last event that it folded."""

    position: int
    at_ms: int
    parts: dict[str, bytes]


class Failed(Exception):
    """The other process did not answer; the words say why."""


def cores() -> int:
    """How many of them this process may use."""
    return len(os.sched_getaffinity(0))


async def fold_halved(log: Log, until: int) -> Cloud | None:
    """The cloud at a position, not settled yet; None if it could not be folded in this way."""
    cloud, other = Cloud().defer(), Cloud().defer(OTHER_HALF)
    cloud.defer({*cloud.encode()} - OTHER_HALF)
    # Also what nothing here knows, so that it is not passed over.
    mine = Selection(tuple(sorted(other.topics - cloud.topics)), rest=True)
    folded = None
    try:
        async with asyncio.timeout(TIMEOUT_S), asyncio.TaskGroup() as group:
            asked = group.create_task(_ask(Asked(log.url, until)))
            await log.fold_past(cloud.fold, until=until, selected=mine)
        folded = asked.result()
    except* (Failed, LogError, OSError, TimeoutError) as failed:
        why = "; ".join(str(one) for one in failed.exceptions)
        log_.warning("the past is folded by one process: %s", why)
    if folded is None:
        return None
    await asyncio.to_thread(cloud.take, folded.parts, folded.position, folded.at_ms)
    return cloud


async def _ask(asked: Asked) -> Folded:
    """Let another process fold its half, and stop it if nobody waits for that any more."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *PROGRAM),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        told, words = await process.communicate(msgspec.msgpack.encode(asked))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        folded = msgspec.msgpack.decode(told, type=Folded)
    except msgspec.DecodeError as wrong:
        raise Failed(f"{wrong}: {words.decode(errors='replace')[-500:]}") from wrong
    if folded.parts.keys() != OTHER_HALF:
        raise Failed("the other half is not whole")
    return folded
