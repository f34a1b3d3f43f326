"""`python -m tests.chaos`: a cluster through chaos; its judges' figures come last.

Exit status 0 only where all holds. `CHAOS_S` or `--seconds`: how long machines fail.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path
from time import monotonic

from tests.chaos.machines import Setup
from tests.chaos.storm import Plan, run
from tests.peers.kafka import Missing as NoKafka
from tests.peers.postgres import Missing as NoPostgres

SECONDS_S = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--seconds", type=float, default=float(os.environ.get("CHAOS_S", SECONDS_S))
    )
    parser.add_argument("--seed", type=int, default=int(os.environ.get("CHAOS_SEED", "1")))
    parser.add_argument("--pause", type=float, default=0.0, help="seconds of the longest SIGSTOP")
    parser.add_argument("--outage", type=float, default=0.0, help="seconds that Kafka is gone")
    parser.add_argument("--controllers", type=int, default=3)
    parser.add_argument("--no-kafka", action="store_true", help="one controller on PostgreSQL")
    parser.add_argument(
        "--keep", action="store_true", help="keep the folder with all that was said"
    )
    args = parser.parse_args()
    # A broker that is down is what this is about: aiokafka need not tell of each try.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    folder, began = Path(tempfile.mkdtemp(prefix="sagastack-chaos-", dir="/tmp")), monotonic()
    setup = Setup(folder=folder, controllers=args.controllers, kafka=not args.no_kafka)
    kept = True
    try:
        bench = asyncio.run(
            run(
                Plan(
                    setup=setup,
                    seconds_s=args.seconds,
                    seed=args.seed,
                    pause_s=args.pause,
                    outage_s=args.outage,
                ),
                lambda line: print(line, flush=True),
            )
        )
        kept = args.keep or not bench.all_hold
    except (NoKafka, NoPostgres) as missing:
        print(f"cannot run here: {missing}", file=sys.stderr)
        kept = False
        return 1
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"\njudges (seed {args.seed}, {monotonic() - began:.0f} s):")
    for finding in bench.findings:
        print(finding)
    if kept:
        print(f"what was said is in {folder}")
    print("all holds" if bench.all_hold else f"BROKEN: repeat with --seed {args.seed}")
    return 0 if bench.all_hold else 1


if __name__ == "__main__":
    sys.exit(main())
