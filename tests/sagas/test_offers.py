"""The many hosts of a pod or a cluster are told one after the other, and all after any crash."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from aggregates.capacity import CapacitySupplied
from aggregates.errors import Invalid
from aggregates.saga import RunState
from engine import offers
from engine.intents.cluster import SetRatio, UpdateCluster
from engine.intents.pod import UpdatePod
from projections.capacity import Capacity
from projections.cluster import clusters
from projections.saga import saga_runs
from projections.setting import settings
from tests.sagas import test_every_saga as every
from tests.sagas.judge import judge
from tests.sagas.rig import Rig, new_sim, rig
from tests.sagas.seed import CLUSTER, HOSTS, POD, named, seed
from tests.sagas.test_every_saga import home

__all__ = ["home"]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "AT_ONCE", 1)


@pytest.fixture
async def r(home: Path) -> AsyncIterator[Rig]:
    async with rig(home, new_sim()) as made:
        await seed(made)
        yield made


def pod(state: str) -> object:
    return UpdatePod(id=POD, space_id=named("space"), fields={"allocation_state": state})


def cluster(state: str) -> object:
    return UpdateCluster(id=CLUSTER, fields={"allocation_state": state})


def managed(state: str) -> object:
    words = {"Enabled": "Managed", "Disabled": "Unmanaged"}
    return UpdateCluster(id=CLUSTER, fields={"managed_state": words[state]})


def supplies(r: Rig) -> list[CapacitySupplied]:
    found = map(r.cloud.view(Capacity).supply_of, HOSTS)
    return [one for one in found if isinstance(one, CapacitySupplied)]


def offered(r: Rig) -> list[bool]:
    return [one.enabled for one in supplies(r)]


@pytest.mark.parametrize("ask", [pod, cluster, managed])
async def test_a_commit_tells_few_of_many(r: Rig, ask: Callable[[str], object]) -> None:
    for state in ("Disabled", "Enabled"):
        before = len(r.cloud[saga_runs])
        row = await r.run(ask(state))
        assert row.state is RunState.SUCCEEDED, row.error_text
        assert offered(r) == [state == "Enabled"] * len(HOSTS)
        assert len(r.cloud[saga_runs]) == before + 1 + len(HOSTS), "each by a job of its own"
    row = await r.run(ask("Enabled"))
    assert row.state is RunState.SUCCEEDED
    await judge(r)


async def test_a_ratio_of_a_cluster_is_told_to_few_of_many_at_once(r: Rig) -> None:
    name = "cpu.overprovisioning.factor"
    for value, ratio in (("2.5", 2.5), (None, 1.0)):
        before = len(r.cloud[saga_runs])
        ask = SetRatio(cluster_id=CLUSTER, setting_id=named("ratio"), name=name, value=value)
        row = await r.run(ask)
        assert row.state is RunState.SUCCEEDED, row.error_text
        assert [one.cpu_overcommit for one in supplies(r)] == [ratio] * len(HOSTS)
        assert r.cloud[clusters][CLUSTER].cpu_overcommit == ratio
        assert [one.value for one in r.cloud[settings]] == ([] if value is None else [value])
        assert len(r.cloud[saga_runs]) == before + 1 + len(HOSTS), "each by a job of its own"
    with pytest.raises(Invalid):
        await r.run(SetRatio(cluster_id=CLUSTER, setting_id=named("x"), name=name, value="much"))
    await judge(r)


async def test_few_hosts_are_told_with_it(r: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "AT_ONCE", len(HOSTS))
    for ask, state in ((pod, "Disabled"), (pod, "Enabled"), (cluster, "Disabled")):
        before = len(r.cloud[saga_runs])
        job = await r.engine.submit(ask(state), r.by)
        assert offered(r) == [state == "Enabled"] * len(HOSTS), "by its first commit"
        assert (await r.engine.runner.wait(job.id)).state is RunState.SUCCEEDED
        assert len(r.cloud[saga_runs]) == before + 1


@pytest.mark.parametrize("name", ["pod.update:1", "cluster.update:1", "cluster.set_ratio:1"])
@pytest.mark.parametrize("die_before", [False, True], ids=["after", "before"])
async def test_it_goes_on_after_a_crash_at_any_commit(
    name: str, die_before: bool, home: Path
) -> None:
    await every.test_it_goes_on_after_a_crash_at_any_commit(name, die_before, home)
