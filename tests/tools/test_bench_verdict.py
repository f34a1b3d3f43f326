"""A figure over its budget, or a budget that nothing measures, fails the benchmarks."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.__main__ import KEYS, judged, lines, verdict

BUDGETS: dict[str, Any] = {
    "toy.rate": {"judge": "value", "at_least": 100.0},
    "toy.cost": {"judge": "ratio", "at_most": 2.0},
}


def row(name: str, value: float, ratio: float | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "per s", "ratio": ratio, **more}


@pytest.mark.parametrize(
    ("measured", "ok"),
    [
        (row("toy.rate", 100), True),
        (row("toy.rate", 99.9), False),
        (row("toy.cost", 1, 2.0), True),
        (row("toy.cost", 1, 2.1), False),
        (row("toy.fact", 1), True),
        (row("toy.own", 1, budget=5, ok=False), False),
    ],
)
def test_judged(measured: dict[str, Any], ok: bool) -> None:
    told = judged(measured, BUDGETS, short=False)
    assert set(KEYS) <= set(told)
    assert told["ok"] is ok
    assert ("OVER BUDGET" in lines(told)[0]) is not ok


def test_a_short_form_judges_ratios_alone() -> None:
    ratios = {"toy.cost": BUDGETS["toy.cost"]}
    assert judged(row("toy.rate", 1), ratios, short=True)["ok"]
    assert judged(row("toy.own", 1, budget=5, ok=False), ratios, short=True)["ok"]
    assert judged(row("toy.cost", 1, 2.3), ratios, short=True)["ok"], "seconds tell less"
    assert not judged(row("toy.cost", 1, 2.5), ratios, short=True)["ok"]


def test_verdict() -> None:
    fast, slow = (judged(row("toy.rate", rate), BUDGETS, short=False) for rate in (100, 1))
    cheap = judged(row("toy.cost", 1, 1.0), BUDGETS, short=False)
    assert verdict([fast, cheap], BUDGETS, ["toy"], [], short=False) == 0
    assert verdict([slow, cheap], BUDGETS, ["toy"], [], short=False) == 1
    assert verdict([cheap], BUDGETS, ["toy"], [], short=False) == 1
    assert verdict([cheap], BUDGETS, ["toy"], [], short=True) == 0
    assert verdict([], BUDGETS, [], ["toy"], short=False) == 1
