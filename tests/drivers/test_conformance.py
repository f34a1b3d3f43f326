"""Every driver keeps every promise of the contract: harnesses × checks, found by walking."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType

import pytest

from drivers.conformance import Check, compute_checks, storage_checks

CHECKS = [*compute_checks(), *storage_checks()]
HARNESSES = sorted(path.stem for path in Path(__file__).parent.glob("harness_*.py"))


def load(name: str) -> ModuleType:
    return importlib.import_module(f"tests.drivers.{name}")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
@pytest.mark.parametrize("harness", HARNESSES)
async def test_driver_keeps_its_promise(harness: str, check: Check) -> None:
    module = load(harness)
    if lacking := module.missing():
        if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
            pytest.fail(f"{harness} cannot run here: {lacking}")
        pytest.skip(f"{harness} cannot run here: {lacking}")
    async with module.harness() as ready:
        outcome = await check.run(ready)
    if outcome:
        pytest.skip(f"{harness} is {outcome}")


def test_each_check_says_its_property_once() -> None:
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names)), "two checks have one name"
    assert all(check.promise.endswith(".") for check in CHECKS)
