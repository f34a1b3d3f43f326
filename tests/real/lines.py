"""A plugin of pytest that counts what became of each driver's tests, and why some were skipped.

A test is a driver's by its module: `DRIVERS = ("libvirt", ...)` there, or the name of the driver's
folder in that of the module. It is said with each report, since workers run the tests.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pytest

from engine.drivers import folders

KINDS = {one.name: "/".join(one.kinds) for one in folders()}
OUTCOMES: dict[str, Counter[str]] = defaultdict(Counter)
SKIPS: dict[str, set[str]] = defaultdict(set)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        module: Any = getattr(item, "module", None)
        named = getattr(module, "DRIVERS", None) or [n for n in KINDS if n in item.nodeid]
        item.user_properties.append(("drivers", list(named) or ["(others)"]))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "call" and report.outcome == "passed":
        return
    named: Any = dict(report.user_properties).get("drivers", ())
    for driver in named:
        OUTCOMES[driver][report.outcome] += 1
        if report.skipped and isinstance(report.longrepr, tuple):
            SKIPS[driver].add(report.longrepr[2].removeprefix("Skipped: "))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Told once, by the process that runs the workers."""
    terminalreporter.write_line("")
    for driver in [*KINDS, *(OUTCOMES.keys() - KINDS.keys())]:
        counted = OUTCOMES.get(driver, Counter())
        how = ", ".join(f"{counted[one]} {one}" for one in ("passed", "failed", "skipped"))
        terminalreporter.write_line(f"{driver:<12} {KINDS.get(driver, ''):<14} {how}")
        for why in sorted(SKIPS[driver]):
            terminalreporter.write_line(f"    skipped: {why}")
