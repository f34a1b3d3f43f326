"""`python -m benchmarks [--short] [NAME ...]`: measure, print a table, fail over budget.

Every module here with an `async def measure()` is a benchmark, and runs in a process of its own: a
figure of memory or of the collector is not another's. A figure is held to the budget in
`budgets.toml` under its name, or to the one that its module brings with it. The results are also
written to `benchmarks/results.json`. With `--short`, only modules with an `async def short()` run,
for some seconds each, and only ratios are judged: those hold on any machine. As seconds tell less,
bounds are a fifth wider then, and what is over one is measured again: noise makes nothing cheaper.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import machine
from benchmarks.skipped import Skipped, required

FOLDER = Path(__file__).resolve().parent
MEASURE_S = 900.0
END_S = 30.0
SHORT_TRIES, SHORT_SLACK = 3, 1.2
FIRST = "machine"
KEYS = ("name", "value", "unit", "limit", "ratio", "budget", "ok")
Row = dict[str, Any]
Measure = Callable[[], Coroutine[Any, Any, list[Row]]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all, if none is named")
    parser.add_argument("--short", action="store_true", help="seconds, and ratios alone")
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.rows:
        return measure_here(args.names[0], args.short, args.rows)
    found = benchmarks(args.short)
    if unknown := sorted(set(args.names) - set(found)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(found)}")
    return run_all(args.names or found, args.short)


def run_all(names: list[str], short: bool) -> int:
    budgets = tomllib.loads((FOLDER / "budgets.toml").read_text())
    if short:
        budgets = {name: one for name, one in budgets.items() if one["judge"] == "ratio"}
    rows: list[Row] = []
    measured: list[str] = []
    failed: list[str] = []
    for name in names:
        print(f"\n{name}: {summary(name)}", flush=True)
        before = 1.0 if short else machine.speed()
        told = measured_apart(name, short)
        for _ in range(1, SHORT_TRIES if short else 1):
            if not isinstance(told, list) or all(judged(one, budgets, short)["ok"] for one in told):
                break
            print("  over budget: once more", flush=True)
            told = measured_apart(name, short)
        if told is None:
            failed.append(name)
        elif isinstance(told, str):
            print(f"  SKIPPED, so its budgets are not judged: {told}", flush=True)
        else:
            speed = 1.0 if short else (before + machine.speed()) / 2
            judgements = [placed(judged(row, budgets, short), speed) for row in told]
            print("\n".join(line for row in judgements for line in lines(row)), flush=True)
            rows += judgements
            measured.append(name)
    (FOLDER / "results.json").write_text(json.dumps(rows, indent=1) + "\n")
    return verdict(rows, budgets, measured, failed, short)


def benchmarks(short: bool) -> list[str]:
    """Every benchmark by its module's name; first, how fast the machine is."""
    names = [one.name for one in pkgutil.iter_modules([str(FOLDER)]) if one.name != "__main__"]
    found = [name for name in names if hasattr(module(name), "short" if short else "measure")]
    return sorted(found, key=lambda name: name != FIRST)


def module(name: str) -> Any:
    return importlib.import_module(f"benchmarks.{name}")


def summary(name: str) -> str:
    return (module(name).__doc__ or "").partition("\n")[0]


def measured_apart(name: str, short: bool) -> list[Row] | str | None:
    """The rows of a benchmark from a process of its own, or why it is skipped; None: it failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        words = [sys.executable, "-m", "benchmarks", name, "--rows", str(path)]
        child = subprocess.Popen(
            words + ["--short"] * short, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            child.wait(MEASURE_S + END_S)
        except subprocess.TimeoutExpired:
            print(f"  ended: it took longer than {MEASURE_S:.0f} s", flush=True)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait(END_S)
        if child.returncode != 0 or not path.exists():
            return None
        told: list[Row] | str = json.loads(path.read_text())
        return told


def measure_here(name: str, short: bool, path: Path) -> int:
    """In the process that was made for it; on the event loop that controllers run on."""
    measure: Measure = module(name).short if short else module(name).measure
    told: list[Row] | str
    try:
        told = uvloop.run(timed(measure))
    except Skipped as lacking:
        if required():
            raise
        told = str(lacking)
    path.write_text(json.dumps(told))
    return 0


async def timed(measure: Measure) -> list[Row]:
    async with asyncio.timeout(MEASURE_S):
        return await measure()


def judged(row: Row, budgets: dict[str, Any], short: bool) -> Row:
    """The row whole, with the verdict of its budget; without a budget there is nothing to break."""
    row = {**dict.fromkeys(KEYS), **row}
    budget = budgets.get(row["name"])
    if budget is None:
        if short or row["budget"] is None:
            row |= {"budget": None, "ok": True}
        return row
    value = row[budget["judge"]]
    slack = SHORT_SLACK if short else 1.0
    at_least = budget.get("at_least", float("-inf")) / slack
    at_most = budget.get("at_most", float("inf")) * slack
    bound = f"<= {at_most:.6g}" if "at_most" in budget else f">= {at_least:.6g}"
    bound = f"{budget['judge']} {bound}"
    return row | {"budget": bound, "ok": at_least <= value <= at_most}


def placed(row: Row, speed: float) -> Row:
    """The row, and if it misses its budget on a slower machine than that one was set on, about what
    it would be there. It is over all the same."""
    bound, unit = row["budget"] or "", row["unit"]
    if row["ok"] or speed >= 1:
        return row
    if str(bound).startswith("value >=") and unit.endswith("/s"):
        there = row["value"] / speed
    elif str(bound).startswith("value <=") and unit.partition(" ")[0] in ("s", "ms", "us"):
        there = row["value"] * speed
    else:
        return row
    told = f"this machine had {speed:.2f} of the speed of the one that the budgets were set on: "
    note = f"{told}about {there:,.0f} there" if there >= 100 else f"{told}about {there:.3g} there"
    return row | {"note": "; ".join(filter(None, (row.get("note"), note)))}


def lines(row: Row) -> list[str]:
    """One line of the table, and the note below it."""
    limit = f"limit {row['limit']:,}" if row["limit"] is not None else ""
    ratio = f"ratio {row['ratio']}" if row["ratio"] is not None else ""
    budget = f"budget {row['budget']}" if row["budget"] is not None else ""
    mark = "" if row["budget"] is None else "ok" if row["ok"] else "OVER BUDGET"
    told = f"  {row['name']:<46} {row['value']:>12,} {row['unit']:<26}"
    first = f"{told} {limit:<18} {ratio:<13} {budget:<22} {mark}".rstrip()
    note = textwrap.wrap(row.get("note", ""), 94, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return [first, *note]


def verdict(
    rows: list[Row], budgets: dict[str, Any], measured: list[str], failed: list[str], short: bool
) -> int:
    over = [row for row in rows if not row["ok"]]
    mine = {name for name in budgets if name.partition(".")[0] in measured}
    # A short form may leave out what takes long.
    unmeasured = [] if short else sorted(mine - {row["name"] for row in rows})
    for name in failed:
        print(f"FAILED: {name} measured nothing; what it said is above")
    for row in over:
        ratio = f", ratio {row['ratio']}" if row["ratio"] is not None else ""
        told = f"{row['name']}: {row['value']:,} {row['unit']}{ratio}"
        print(f"OVER BUDGET: {told}, not {row['budget']}")
    for name in unmeasured:
        print(f"NOT MEASURED: {name} has a budget")
    if over or unmeasured or failed:
        return 1
    print("\nevery budget holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
