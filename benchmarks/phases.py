"""Where a request's CPU time goes, by what it is spent on rather than by module.

A profiler's shares of the loop's thread are scaled to the CPU time that was measured without one.
The thread that commits has its own line.
"""

from __future__ import annotations

import cProfile
from typing import Any

from benchmarks.profiled import NOBODY, shares

EVERY = 10_000
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


def rows(name: str, profile: cProfile.Profile, loop_us: float, writer_us: float) -> list[Any]:
    """One row for each phase, the dearest first; they add up to what was measured."""
    told: dict[str, tuple[float, list[str]]] = {}
    for module, share, _ in shares(profile, EVERY):
        cost, words = told.get(phase_of(module), (0.0, []))
        mine = share * loop_us / 100
        told[phase_of(module)] = (cost + mine, [*words, f"{module} {mine:.0f}"])
    told["log, its own thread"] = (writer_us, ["SQLite and its sync, in the writer's thread"])
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
