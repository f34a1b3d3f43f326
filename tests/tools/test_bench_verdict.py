"""A figure over its budget, or a budget that nothing measures, fails the benchmarks."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.__main__ import KEYS, judged, lines, placed, verdict

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


@pytest.mark.parametrize(
    ("budget", "value", "unit", "there"),
    [("at_least", 60.0, "deploys/s", "120"), ("at_most", 9.0, "ms until Running", "4.5")],
)
def test_what_a_slow_machine_misses_is_told_as_it_would_be_there(
    budget: str, value: float, unit: str, there: str
) -> None:
    budgets: dict[str, Any] = {"toy.rate": {"judge": "value", budget: 5.0 if value < 10 else 100}}
    slow = judged(row("toy.rate", value) | {"unit": unit, "note": "a"}, budgets, short=False)
    told = placed(slow, 0.5)
    assert not told["ok"]
    assert told["note"].endswith(f"about {there} there")
    assert placed(slow, 1.2) == slow
    well = judged(row("toy.rate", 200 if value > 10 else 1) | {"unit": unit}, budgets, short=False)
    assert placed(well, 0.5) == well


def test_what_does_not_follow_the_processor_is_left_alone() -> None:
    budgets: dict[str, Any] = {"toy.memory": {"judge": "value", "at_most": 300.0}}
    told = judged(row("toy.memory", 301) | {"unit": "MB"}, budgets, short=False)
    assert placed(told, 0.5) == told
