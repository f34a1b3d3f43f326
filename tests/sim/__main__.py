"""`python -m tests.sim [--seed N] [--seeds N] [--steps N]`: simulate, tell, and judge."""

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback

from tests.sim.simulation import simulate

SEEDS = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeat the run of this seed")
    parser.add_argument("--first", type=int, default=1, help="the first of several seeds")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many seeds, without --seed")
    parser.add_argument("--steps", type=int, default=400, help="how much the tenants ask")
    parser.add_argument("--every", type=int, default=500, help="events between two lines")
    args = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    several = range(args.first, args.first + args.seeds)
    failed = [
        seed
        for seed in ([args.seed] if args.seed is not None else several)
        if not holds(seed, args.steps, args.every)
    ]
    for seed in failed:
        print(f"FAILED: repeat with  make sim SEED={seed} ARGS='--steps {args.steps}'")
    return 1 if failed else 0


def holds(seed: int, steps: int, every: int) -> bool:
    began = time.perf_counter()
    try:
        verdict = simulate(seed, steps=steps, say=lambda text: print(text, flush=True), every=every)
    except BaseException as error:  # Whatever it was, the seed is what somebody needs.
        if isinstance(error, KeyboardInterrupt):
            raise
        traceback.print_exception(error)
        return False
    print(
        f"seed {seed} holds: {verdict.events} events, {verdict.lives} lives, "
        f"{dict(verdict.told)}, nature {dict(verdict.acts)}, "
        f"{time.perf_counter() - began:.1f} s, sha256 {verdict.digest}\n"
    )
    return True


if __name__ == "__main__":
    sys.exit(main())
