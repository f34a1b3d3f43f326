"""What dashboards, alert rules and documents name is told by /metrics, with the labels they use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from engine.clock import SystemClock
from engine.cluster.duties import Alone
from engine.intents import SYSTEM
from engine.intents.finding import SayAlert
from sagastack.monitor.snmp import Receiver
from sagastack.monitor.traps import Traps
from tests.monitor.conftest import watched_in_full
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import named, place

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
BOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
NAME = re.compile(r"\b(sagastack_[a-z_]+)(?:\{([^}]*)\})?")
BY = re.compile(r"\bby \(([^)]*)\)")
# Given by Prometheus itself.
GIVEN = {"instance", "job"}


def board(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def expressions() -> Iterator[tuple[str, str]]:
    """Where each expression stands, and the expression."""
    for path in BOARDS:
        for panel in board(path)["panels"]:
            for target in panel["targets"]:
                yield f"{path.name}: {panel['title']}", target["expr"]
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield f"alerts.yml: {rule['alert']}", rule["expr"]


async def told(home: Path) -> dict[str, set[str]]:
    """The labels of every sample of a cloud in which everything has happened, by its name."""
    async with place(home) as here:
        monitor = watched_in_full(here)
        running = here.controller
        to = [Receiver("127.0.0.1", 9)]
        how: Any = (to, running.feed.follow, running.log, SystemClock(), None)
        monitor.add(Traps(*how).families)
        await deploy(here.ann)
        ask = SayAlert(id=named("alert"), name="smoke", text="in rack 4", alert_type=14)
        await running.engine.decide(ask, SYSTEM)
        found: dict[str, set[str]] = {}
        for family in text_string_to_metric_families(monitor.metrics()):
            # A counter of what has not happened yet has no samples: its name counts all the same.
            ending = "_total" if family.type == "counter" else ""
            found.setdefault(f"{family.name}{ending}", set())
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
        return found


# Labels of what this well cloud of shared pools has no samples of.
RARE = {
    "sagastack_zone_local_storage_used_bytes": {"zone"},
    "sagastack_zone_local_storage_capacity_bytes": {"zone"},
    "sagastack_sagas_parked_total": {"saga"},
    "sagastack_saga_retries_total": {"saga"},
}


async def test_every_metric_that_is_named_is_told_with_its_labels(tmp_path: Path) -> None:
    known = await told(tmp_path)
    named_anywhere = set()
    for where, text in expressions():
        used = {name: matchers or "" for name, matchers in NAME.findall(text)}
        for name, matchers in used.items():
            assert name in known, f"{where} names {name}, which /metrics does not tell"
            labels = known[name] | RARE.get(name, set()) | GIVEN
            asked = set(re.findall(r"([a-z_]+)\s*=~?", matchers))
            assert asked <= labels, f"{where}: {name} has no label {asked - labels}"
            named_anywhere.add(name)
        grouped = {one.strip() for group in BY.findall(text) for one in group.split(",")}
        labels = set().union(*(known[name] | RARE.get(name, set()) for name in used)) | GIVEN
        assert not used or grouped <= labels, f"{where} groups by {grouped - labels}"
    assert len(named_anywhere) > 30


async def test_legends_name_labels_that_are_left(tmp_path: Path) -> None:
    known = await told(tmp_path)
    for path in BOARDS:
        for panel in board(path)["panels"]:
            for target in panel["targets"]:
                used = {name for name, _ in NAME.findall(target["expr"])}
                labels = set().union(*(known[n] | RARE.get(n, set()) for n in used)) | GIVEN
                legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
                assert legend <= labels, f"{path.name}: {panel['title']}: {legend - labels}"


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_panels_do_not_overlap_and_use_the_provisioned_source(path: Path) -> None:
    provisioned = DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    (source,) = yaml.safe_load(provisioned.read_text())["datasources"]
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in board(path)["panels"]]
    assert len(ids) == len(set(ids))
    for panel in board(path)["panels"]:
        assert panel["datasource"]["uid"] == source["uid"]
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        squares = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not squares & taken, f"{panel['title']} lies over another"
        taken |= squares


def test_every_rule_says_what_happened_and_what_to_do() -> None:
    rules = [
        r for g in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"] for r in g["rules"]
    ]
    assert len(rules) == len({rule["alert"] for rule in rules}) > 10
    for rule in rules:
        assert rule["annotations"].keys() == {"summary", "action"}, rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert re.fullmatch(r"\d+[smh]", rule["for"])


def test_leases_that_a_rule_could_name_are_those_that_there_are() -> None:
    from sagastack.monitor.cluster import DUTIES, leases

    (family,) = leases(Alone("one"))()
    assert [labels["lease"] for _, labels, _ in family.samples] == sorted(DUTIES)
