"""Where a profiled thread spent its time: each module of ours, with the libraries that it called.

A library's own time is charged to who called it, in proportion to the calls' time, until one of
our modules is reached; what no module of ours caused (the event loop) is charged to nobody.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOBODY = "the event loop"
WAITS = ("poll", "time.sleep")
Function = tuple[str, int, str]


@contextmanager
def profiling(profile: cProfile.Profile | None) -> Iterator[None]:
    """Profile what is done inside, if there is a profile to fill.

    Python's collector waits meanwhile, so its walks are charged to nobody. In CPython 3.11 a
    generator that runs under a profiler keeps saying how deep its stack was when it was last left,
    and the collector that walks it then looks at what is no object any more: a crash.
    """
    if profile is None:
        yield
        return
    was_enabled = gc.isenabled()
    gc.disable()
    profile.enable()
    try:
        yield
    finally:
        profile.disable()
        if was_enabled:
            gc.enable()


def shares(profile: cProfile.Profile, top: int) -> list[tuple[str, float, list[str]]]:
    """The dearest modules: name, percent of all, and the dearest functions in or below each."""
    stats: dict[Function, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    cost: Counter[str] = Counter()
    parts: dict[str, Counter[str]] = defaultdict(Counter)
    owners: dict[Function, dict[Function | None, float]] = {}
    for function, (_, _, own_s, _, _) in stats.items():
        if any(wait in function[2] for wait in WAITS):
            continue
        for owner, share in _owners(function, stats, owners, ()).items():
            module = _module(owner) if owner else NOBODY
            cost[module or NOBODY] += own_s * share
            if owner:
                parts[module][f"{owner[2]}:{owner[1]}"] += own_s * share
    total = sum(cost.values()) or 1.0
    return [
        (
            module,
            100 * own_s / total,
            [f"{name} {100 * part / total:.1f}" for name, part in parts[module].most_common(4)],
        )
        for module, own_s in cost.most_common(top)
    ]


def _module(function: Function) -> str:
    """The path of our module that a function is in; empty for a library's."""
    path = Path(function[0])
    if not path.is_relative_to(ROOT) or ".venv" in path.parts:
        return ""
    return str(path.relative_to(ROOT))


def _owners(
    function: Function,
    stats: dict[Function, Any],
    known: dict[Function, dict[Function | None, float]],
    above: tuple[Function, ...],
) -> dict[Function | None, float]:
    """Which functions of ours caused a function's time, as shares that add up to one."""
    if _module(function):
        return {function: 1.0}
    if function in known:
        return known[function]
    callers = {one: times[3] for one, times in stats[function][4].items() if one not in above}
    total = sum(callers.values())
    found: dict[Function | None, float] = defaultdict(float)
    if not total:
        return {None: 1.0}
    for caller, part in callers.items():
        for owner, share in _owners(caller, stats, known, (*above, function)).items():
            found[owner] += share * part / total
    if not above:
        known[function] = found
    return found
