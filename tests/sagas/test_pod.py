"""The many hosts of a pod are told one after the other, and all of them after any crash."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aggregates.capacity import CapacitySupplied
from aggregates.saga import RunState
from engine.intents.pod import UpdatePod
from engine.sagas import pod as saga
from projections.capacity import Capacity
from projections.saga import saga_runs
from tests.sagas import test_every_saga as every
from tests.sagas.judge import judge
from tests.sagas.rig import Rig, new_sim, rig
from tests.sagas.seed import HOSTS, POD, named, seed
from tests.sagas.test_every_saga import home

__all__ = ["home"]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saga, "AT_ONCE", 1)


@pytest.fixture
async def r(home: Path) -> AsyncIterator[Rig]:
    async with rig(home, new_sim()) as made:
        await seed(made)
        yield made


def ask(state: str) -> UpdatePod:
    return UpdatePod(id=POD, space_id=named("space"), fields={"allocation_state": state})


def offers(r: Rig) -> list[bool]:
    supplies = map(r.cloud.view(Capacity).supply_of, HOSTS)
    return [isinstance(one, CapacitySupplied) and one.enabled for one in supplies]


async def test_a_commit_tells_few_of_many(r: Rig) -> None:
    for state in ("Disabled", "Enabled"):
        before = len(r.cloud[saga_runs])
        row = await r.run(ask(state))
        assert row.state is RunState.SUCCEEDED, row.error_text
        assert offers(r) == [state == "Enabled"] * len(HOSTS)
        assert len(r.cloud[saga_runs]) == before + 1 + len(HOSTS), "each by a job of its own"
    row = await r.run(ask("Enabled"))
    assert row.state is RunState.SUCCEEDED
    await judge(r)


@pytest.mark.parametrize("die_before", [False, True], ids=["after", "before"])
async def test_it_goes_on_after_a_crash_at_any_commit(die_before: bool, home: Path) -> None:
    await every.test_it_goes_on_after_a_crash_at_any_commit("pod.update:1", die_before, home)
