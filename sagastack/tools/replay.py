"""Fold the whole log again and compare the result with what the server would serve."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagastack.commands import Commands
from sagastack.settings import BadSetting, Settings
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
    one = commands.command(
        "replay",
        _run,
        "rebuild every projection from the log and compare, or the log itself from Kafka",
        example="""
            sagastack replay --json
            sagastack replay --kafka localhost:9092 --into sqlite:////srv/copy/log.db
        """,
    )
    one.add_argument("--kafka", metavar="HOST:PORT", help="read the log from Kafka alone")
    one.add_argument("--into", metavar="URL", help="the empty store that the log is built in")
    one.add_argument("--topics", metavar="PREFIX", help="how Kafka's topics begin (sagastack)")
    one.add_argument(
        "--seals",
        dest="kept",
        type=Path,
        metavar="DIR",
        help="prove it by a copy of seals.jsonl and seal.pub",
    )


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    if args.kafka or args.into:
        return await _run_kafka(args, settings)
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


async def _run_kafka(args: argparse.Namespace, settings: Settings) -> int:
    from engine.cluster.topics import Topics
    from sagastack.kafka_replay import rebuild

    if not (args.kafka and args.into):
        raise BadSetting("--kafka and --into belong together: from where, and into which store")
    done = await rebuild(
        settings,
        args.kafka,
        Topics(prefix=args.topics) if args.topics else Topics(),
        args.into,
        seals=args.kept,
        say=lambda events: print(f"{events} events", file=sys.stderr, flush=True),
    )
    if args.json:
        print(json.dumps(done.told()))
        return 0 if done.ok else 1
    rate = done.events / done.seconds if done.seconds else 0.0
    print(f"{done.events} events from Kafka are in {done.into} ({rate:.0f} events/s)")
    print(f"their Merkle root is {done.proved.root}")
    if args.kept:
        print(f"{done.proved.seals} seals vouch for them up to position {done.proved.sealed_to}")
    for line in done.notes:
        print(f"note: {line}")
    for line in done.faults:
        print(f"FAULT: {line}")
    for name in done.differing:
        print(f"DIFFERS from the served log: {name}")
    if done.behind is not None and done.ok:
        print(f"it folds into the cloud that is served; Kafka is {done.behind} positions behind")
    if not done.ok:
        print("do not serve this copy")
    return 0 if done.ok else 1
