"""End to end against real and emulated peers, the longer tests included: a line for each driver.

    python -m tests.real [--only-long] [pytest's own arguments]

A test is a driver's by its module: `DRIVERS = ("libvirt", ...)` there, or the name of the driver's
folder in that of the module. `--only-long` leaves out what `make test` has run already.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from typing import Any

import pytest

from engine.drivers import folders


class Lines:
    """Counts what became of each driver's tests, and why some were skipped."""

    def __init__(self) -> None:
        self.kinds = {one.name: "/".join(one.kinds) for one in folders()}
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self.skips: dict[str, set[str]] = defaultdict(set)
        self._drivers: dict[str, tuple[str, ...]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            module: Any = getattr(item, "module", None)
            named = getattr(module, "DRIVERS", None) or [
                name for name in self.kinds if name in item.nodeid
            ]
            self._drivers[item.nodeid] = tuple(named) or ("(others)",)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        for driver in self._drivers.get(report.nodeid, ()):
            self.outcomes[driver][report.outcome] += 1
            if report.skipped and isinstance(report.longrepr, tuple):
                self.skips[driver].add(report.longrepr[2].removeprefix("Skipped: "))

    def told(self) -> list[str]:
        lines = []
        for driver in [*self.kinds, *(self.outcomes.keys() - self.kinds.keys())]:
            counted = self.outcomes.get(driver, Counter())
            how = ", ".join(f"{counted[one]} {one}" for one in ("passed", "failed", "skipped"))
            lines.append(f"{driver:<12} {self.kinds.get(driver, ''):<14} {how}")
            lines += [f"    skipped: {why}" for why in sorted(self.skips[driver])]
        return lines


def main(words: list[str]) -> int:
    only_long = "--only-long" in words
    rest = [word for word in words if word != "--only-long"]
    lines = Lines()
    which = "long" if only_long else "real or long"
    status = pytest.main(["-m", which, *rest], plugins=[lines])
    print("\n".join(["", *lines.told()]), flush=True)
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
