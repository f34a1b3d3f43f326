"""Fold the whole log again and compare the result with what the server would serve."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sagastack.settings import Settings
from sagastack.tools.opened import opened


@dataclass(frozen=True, slots=True)
class Replayed:
    """`differing` names the projections that are not what the log says; empty is as it must be."""

    events: int
    seconds: float
    parts: int
    differing: list[str]


async def replay(settings: Settings) -> Replayed:
    """The live state is the newest checkpoint and what came after it; the rebuild trusts neither.

    Both end at the same position, so a server may go on writing meanwhile.
    """
    async with opened(settings) as (_, past):
        live = await past.latest()
        began = time.perf_counter()
        rebuilt = await past.rebuild(until=live.position)
        seconds = time.perf_counter() - began
        ours, theirs = live.digest(), rebuilt.digest()
        differing = sorted(name for name in ours | theirs if ours.get(name) != theirs.get(name))
        return Replayed(rebuilt.position, seconds, len(theirs), differing)
