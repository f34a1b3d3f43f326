"""Fold the whole log again and compare the result with what the server would serve."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from typing import Any

from sagastack.commands import Commands
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


def add(commands: Commands) -> None:
    commands.command(
        "replay",
        _run,
        "rebuild every projection from the log and compare",
        example="sagastack replay --json",
    )


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    done = await replay(settings)
    rate = done.events / done.seconds if done.seconds else 0.0
    if args.json:
        told: dict[str, Any] = {"events": done.events, "differing": done.differing}
        print(json.dumps(told | {"ok": not done.differing, "seconds": round(done.seconds, 3)}))
    else:
        print(f"{done.events} events folded into {done.parts} projections ({rate:.0f} events/s)")
        for name in done.differing:
            print(f"DIFFERS from the log: {name}")
        print("live and rebuilt are equal" if not done.differing else "delete the checkpoints")
    return 1 if done.differing else 0
