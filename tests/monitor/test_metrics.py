"""What /metrics tells is true, well formed, and does not grow with tenants."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from engine.intents import SYSTEM
from engine.intents.finding import SayAlert
from sagastack.monitor.exposition import Histogram, by_label, counter, gauge, histogram, render
from tests.monitor.conftest import Watched
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import named

UUID_LIKE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}")
UNITS = ("seconds", "bytes", "hertz", "total")
LABELS = {"state", "saga", "outcome", "kind", "ledger", "zone", "lease", "le"}


async def test_a_deploy_shows_in_the_figures(watched: Watched) -> None:
    before = await watched.values()
    await deploy(watched.place.ann)
    after = await watched.values()

    def grown(name: str, **labels: str) -> float:
        key = (f"sagastack_{name}", tuple(sorted(labels.items())))
        return after[key] - before.get(key, 0)

    assert grown("sagas_started_total", saga="vm.deploy:1") == 1
    assert grown("sagas_ended_total", saga="vm.deploy:1", outcome="succeeded") == 1
    assert grown("saga_duration_seconds_count", saga="vm.deploy:1") == 1
    assert 0 < grown("saga_duration_seconds_sum", saga="vm.deploy:1") < 60
    assert grown("vms", state="Running") == 1
    assert grown("zone_memory_used_bytes", zone="z1") == 512 * 2**20
    assert grown("zone_cpu_used_hertz", zone="z1") == 500_000_000
    assert grown("log_commits_total") == grown("log_commit_duration_seconds_count") > 0
    assert grown("log_events_total") == grown("log_commit_events_sum") == grown("log_position")
    assert grown("log_written_bytes_total") > grown("log_events_total")
    assert grown("allocator_pending", ledger="host") == 0
    # The network's router is placed and told behind the job.
    assert 0 < after["sagastack_log_position", ()] <= watched.place.controller.cloud.position


async def test_states_are_told_also_when_nothing_is_in_them(watched: Watched) -> None:
    values = await watched.values()
    for state in ("Running", "Undoing", "Parked"):
        assert values["sagastack_sagas", (("state", state),)] == 0
    assert values["sagastack_hosts", (("state", "Up"),)] == 3
    assert values["sagastack_hosts_resource", (("state", "Enabled"),)] == 3
    for state in ("well", "ailing", "record"):
        assert values["sagastack_routers", (("state", state),)] == 0


async def test_alerts_are_counted_by_kind_while_they_are_listed(watched: Watched) -> None:
    key = ("sagastack_alerts", (("kind", "said by a person"),))
    assert key not in await watched.values()
    ask = SayAlert(id=named("alert"), name="smoke", text="in rack 4", alert_type=14)
    await watched.place.controller.engine.decide(ask, SYSTEM)
    assert (await watched.values())[key] == 1
    await watched.place.admin("archiveAlerts", ids=str(named("alert")))
    assert key not in await watched.values()


async def test_parts_of_a_cluster_add_what_they_tell(watched: Watched) -> None:
    values = await watched.values()
    assert values["sagastack_lease_held", (("lease", "relay"),)] == 1
    assert values["sagastack_lease_held", (("lease", "sealer"),)] == 0
    assert values["sagastack_relay_lag_events", ()] == 2
    assert values["sagastack_relay_errors_total", ()] == 1


async def test_names_labels_and_words_are_as_prometheus_wants_them(watched: Watched) -> None:
    await deploy(watched.place.ann)
    _, text = await watched.get("/metrics")
    families = list(text_string_to_metric_families(text))
    assert len(families) > 30
    for family in families:
        assert family.documentation and family.type in ("gauge", "counter", "histogram")
        assert re.fullmatch(r"sagastack_[a-z_]+", family.name)
        assert not family.name.endswith(("_ms", "_mib", "_mhz")), "base units only"
        for sample in family.samples:
            assert sample.labels.keys() <= LABELS, sample
            assert not any(UUID_LIKE.search(word) for word in sample.labels.values()), sample
    names = re.findall(r"^# TYPE (\S+)", text, re.M)
    assert len(names) == len(set(names)) == len(re.findall(r"^# HELP ", text, re.M))


async def test_the_loop_watch_feels_a_stall(watched: Watched) -> None:
    noted = watched.monitor._loop.noted
    await watched.values()
    noted(0.75)
    values = await watched.values()
    assert values["sagastack_loop_stall_worst_seconds", ()] == 0.75
    bucket = "sagastack_loop_stall_seconds_bucket"
    assert values[bucket, (("le", "+Inf"),)] - values[bucket, (("le", "0.5"),)] == 1
    assert (await watched.values())["sagastack_loop_stall_worst_seconds", ()] < 0.75


def test_text_survives_the_format() -> None:
    odd = 'a "zone"\\with\nlines'
    text = render([by_label(gauge("odd", "Odd\nnames."), "zone", {odd: 1.5})])
    (family,) = text_string_to_metric_families(text)
    assert (family.samples[0].labels["zone"], family.samples[0].value) == (odd, 1.5)
    assert family.documentation == "Odd\nnames."


def test_large_counts_keep_every_digit() -> None:
    text = render([counter("things_total", "Things.", 9_007_199_254_740_991)])
    assert "sagastack_things_total 9007199254740991\n" in text


def test_a_bucket_holds_what_is_below_it() -> None:
    counted = Histogram(1, 2)
    for value in (0.5, 1, 1.5, 9):
        counted.observe(value)
    (family,) = text_string_to_metric_families(render([histogram("h", "H.", {"": counted})]))
    told = {sample.labels.get("le", sample.name): sample.value for sample in family.samples}
    assert told == {"1": 2, "2": 3, "+Inf": 4, "sagastack_h_sum": 12, "sagastack_h_count": 4}
