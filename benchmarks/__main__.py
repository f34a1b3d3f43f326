"""`python -m benchmarks [NAME ...]`: measure, print a table, and fail where a budget is broken.

Every module here with an `async def measure()` is a benchmark. A figure is held to the budget in
`budgets.toml` under its name, or to the one that its module brings with it. The results are also
written to `benchmarks/results.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import pkgutil
import sys
import textwrap
import tomllib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from benchmarks.skipped import Skipped, required

FOLDER = Path(__file__).resolve().parent
MEASURE_S = 900.0
Row = dict[str, Any]
Measure = Callable[[], Coroutine[Any, Any, list[Row]]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    found = benchmarks()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(found))
    names = parser.parse_args().names or list(found)
    if unknown := sorted(set(names) - set(found)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(found)}")
    budgets = tomllib.loads((FOLDER / "budgets.toml").read_text())
    rows: list[Row] = []
    skipped: set[str] = set()
    for name in names:
        print(f"\n{name}: {summary(name)}", flush=True)
        try:
            measured = [judged(row, budgets) for row in asyncio.run(timed(found[name]))]
        except Skipped as lacking:
            if required():
                raise
            print(f"  SKIPPED, so its budgets are not judged: {lacking}", flush=True)
            skipped.add(name)
            continue
        print("\n".join(line for row in measured for line in lines(row)), flush=True)
        rows += measured
    (FOLDER / "results.json").write_text(json.dumps(rows, indent=1) + "\n")
    return verdict(rows, budgets, [name for name in names if name not in skipped])


def benchmarks() -> dict[str, Measure]:
    """Every benchmark by its module's name."""
    names = [one.name for one in pkgutil.iter_modules([str(FOLDER)]) if one.name != "__main__"]
    modules = {name: importlib.import_module(f"benchmarks.{name}") for name in names}
    return {name: one.measure for name, one in modules.items() if hasattr(one, "measure")}


def summary(name: str) -> str:
    return (sys.modules[f"benchmarks.{name}"].__doc__ or "").partition("\n")[0]


async def timed(measure: Measure) -> list[Row]:
    async with asyncio.timeout(MEASURE_S):
        return await measure()


def judged(row: Row, budgets: dict[str, Any]) -> Row:
    """The row with the verdict of its budget, if it has one."""
    budget = budgets.get(row["name"])
    if budget is None:
        return row
    value = row[budget["judge"]]
    at_least, at_most = budget.get("at_least", float("-inf")), budget.get("at_most", float("inf"))
    bound = f"{budget['judge']} " + ("<= " if "at_most" in budget else ">= ")
    bound += str(budget.get("at_most", budget.get("at_least")))
    return row | {"budget": bound, "ok": at_least <= value <= at_most}


def lines(row: Row) -> list[str]:
    """One line of the table, and the note below it."""
    limit = f"limit {row['limit']:,}" if row.get("limit") is not None else ""
    ratio = f"ratio {row['ratio']}" if row.get("ratio") is not None else ""
    budget = f"budget {row['budget']}" if row.get("budget") is not None else ""
    mark = "" if row.get("ok") is None else "ok" if row["ok"] else "OVER BUDGET"
    told = f"  {row['name']:<46} {row['value']:>12,} {row['unit']:<26}"
    first = f"{told} {limit:<18} {ratio:<13} {budget:<22} {mark}".rstrip()
    note = textwrap.wrap(row.get("note", ""), 94, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return [first, *note]


def verdict(rows: list[Row], budgets: dict[str, Any], names: list[str]) -> int:
    over = [row["name"] for row in rows if row.get("ok") is False]
    mine = {name for name in budgets if name.partition(".")[0] in names}
    unmeasured = sorted(mine - {row["name"] for row in rows})
    for name in over:
        print(f"OVER BUDGET: {name}")
    for name in unmeasured:
        print(f"NOT MEASURED: {name} has a budget")
    if not over and not unmeasured:
        print("\nevery budget holds")
    return 1 if over or unmeasured else 0


if __name__ == "__main__":
    sys.exit(main())
