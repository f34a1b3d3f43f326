"""Where a request's CPU time goes, by what it is spent on rather than by module.

A profiler's shares of the loop's thread are scaled to the CPU time that was measured without one.
Other threads each have a line of their own.
"""

from __future__ import annotations

import cProfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from benchmarks.profiled import NOBODY, shares

EVERY = 10_000
WRITER = "log-writer"
# The first that a module's path begins with says what its time was spent on.
PHASES = (
    ("HTTP and parameters", NOBODY, "api/app.py", "api/parse.py", "api/fields.py", "api/dispatch"),
    ("signature and identity", "api/sign", "api/identity", "engine/vault", "api/throttle"),
    ("authorisation", "api/authz", "api/scope", "api/declare"),
    ("answers", "api/jobs", "api/render", "api/views", "api/memo", "api/records", "api/lists"),
    ("answers", "api/found", "api/pages"),
    ("command", "api/", "sagastack/face"),
    ("allocator", "engine/allocator", "engine/crowding", "engine/affinity", "engine/dedication"),
    ("limits", "engine/limits", "projections/counts", "projections/resource_limit"),
    ("encode", "engine/log/codec"),
    ("log, on the loop", "engine/log", "engine/commits"),
    ("folds and reads", "projections/", "aggregates/"),
    ("followers", "engine/feed", "engine/webhooks", "sagastack/", "engine/cluster"),
    ("saga driving", "engine/runner", "engine/saga.py", "engine/t", "engine/f"),
    ("simulated hosts", "drivers/"),
    ("decision", "engine/"),
)


def phase_of(module: str) -> str:
    found = (name for name, *starts in PHASES for one in starts if module.startswith(one))
    return next(found, "other")


def threads_s() -> dict[str, float]:
    """The CPU seconds that each other thread of this process has spent, by its name."""
    found: defaultdict[str, float] = defaultdict(float)
    for one in threading.enumerate():
        if one.ident is not None and one is not threading.current_thread():
            with suppress(ProcessLookupError):  # it ends in this moment
                found[one.name] += time.clock_gettime(time.pthread_getcpuclockid(one.ident))
    return found


def since(before: Mapping[str, float], count: int) -> dict[str, float]:
    """The microseconds that each has spent since then on each of so many things."""
    return {one: 1e6 * (s - before.get(one, 0.0)) / count for one, s in threads_s().items()}


def rows(
    name: str,
    profile: cProfile.Profile,
    loop_us: float,
    rest_us: float,
    threads_us: Mapping[str, float],
) -> list[Any]:
    """One row for each phase, the dearest first; they add up to what was measured.

    `rest_us` is what all threads took beside the loop, `threads_us` what is known of them by name.
    """
    told: dict[str, tuple[float, list[str]]] = {}
    for module, share, _ in shares(profile, EVERY):
        cost, words = told.get(phase_of(module), (0.0, []))
        mine = share * loop_us / 100
        told[phase_of(module)] = (cost + mine, [*words, f"{module} {mine:.0f}"])
    writer_us = threads_us.get(WRITER, 0.0)
    told["log, its own thread"] = (writer_us, ["the store and its sync, in the writer's thread"])
    others = sorted(threads_us.items(), key=lambda pair: -pair[1])
    named = [f"{thread} {us:.0f}" for thread, us in others if us >= 1 and thread != WRITER]
    told["other threads"] = (rest_us - writer_us, named)
    found = sorted(told.items(), key=lambda pair: -pair[1][0])
    return [
        {
            "name": f"{name}.in.{phase}",
            "value": round(cost),
            "unit": "us CPU",
            "note": "; ".join(words[:6]),
        }
        for phase, (cost, words) in found
    ]
