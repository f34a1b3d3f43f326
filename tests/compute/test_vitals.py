"""Guests are measured into memory, and their lists show it."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest

from drivers.contract.compute import HostStats, Sensor
from drivers.sim.session import SimSession
from engine.chores.vitals import measure_guests, measure_hosts
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import Place, settled

MINUTE_MS = 60_000


async def test_a_running_guest_is_measured_and_its_lists_tell(here: Place) -> None:
    vm = await deploy(here.ann)
    stopped = await deploy(here.ann, startvm="false")
    engine = here.controller.engine
    position = await settled(here.controller.cloud)
    seen = await here.ann.one("listVirtualMachines", "virtualmachine", id=stopped["id"])
    assert "cpuused" not in seen
    first_ms = engine.cloud.at_ms + MINUTE_MS
    sim = here.controller.drivers.get("Simulator")
    for minute in range(3):
        now_ms = first_ms + minute * MINUTE_MS
        object.__setattr__(sim._site, "now_s", lambda now_s=now_ms / 1000: now_s)
        await measure_guests(engine, now_ms)
        await measure_guests(engine, now_ms + 1)  # not due: nothing is asked
    assert here.controller.cloud.position == position, "measurements do not belong into the log"
    seen = await here.ann.one("listVirtualMachines", "virtualmachine", id=vm["id"])
    assert 0 < float(seen["cpuused"].rstrip("%")) <= 100
    assert 0 < seen["memorykbs"] <= seen["memorytargetkbs"] == 512 * 1024
    assert seen["networkkbsread"] > seen["networkkbswrite"] > 0
    root = await here.ann.one("listVolumesMetrics", "volume", virtualmachineid=vm["id"])
    assert root["diskkbsread"] > root["diskkbswrite"] > 0
    assert root["diskioread"] > root["diskiowrite"] > 0
    metrics = await here.ann.one("listVirtualMachinesMetrics", "virtualmachine", id=vm["id"])
    assert (metrics["cputotal"], metrics["memorytotal"]) == ("0.5 Ghz", "0.50 GB")
    assert metrics["networkread"].endswith(" MB")
    history = await here.ann.one("listVirtualMachinesUsageHistory", "virtualmachine",
                                 id=vm["id"], enddate="2100-01-01")  # fmt: skip
    assert len(history["stats"]) == 2
    reads = [one["diskkbsread"] for one in history["stats"]]
    assert reads == sorted(reads)
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    await measure_guests(engine, first_ms + 10 * MINUTE_MS)
    root = await here.ann.one("listVolumes", "volume", virtualmachineid=vm["id"])
    assert "diskkbsread" not in root
    seen = await here.ann.one("listVirtualMachines", "virtualmachine", id=vm["id"])
    assert "cpuused" not in seen


async def test_a_host_that_says_nonsense_ends_nobody_elses_measurement(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with one host is told in the program's log; the round goes on."""
    await deploy(here.ann)
    asked: list[str] = []

    async def nonsense(self: SimSession) -> HostStats:
        asked.append(self.url)
        raise KeyError("meta")

    monkeypatch.setattr(SimSession, "host_stats", nonsense)
    monkeypatch.setattr(SimSession, "guest_stats", nonsense)
    engine = here.controller.engine
    now_ms = engine.cloud.at_ms + 60 * MINUTE_MS
    for chore in (measure_hosts, measure_guests):
        await chore(engine, now_ms)
    assert len(asked) == len((await here.admin("listHosts"))["host"]) + 1


async def test_what_a_hosts_instruments_show_is_told(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = SimSession.host_stats
    shown = (Sensor(name="Inlet", value=23.5, unit="Cel", health="OK"),
             Sensor(name="Fan 1", value=None, unit="RPM"))  # fmt: skip

    async def host_stats(self: SimSession) -> HostStats:
        return replace(await plain(self), sensors=shown)

    monkeypatch.setattr(SimSession, "host_stats", host_stats)
    engine = here.controller.engine
    await measure_hosts(engine, engine.cloud.at_ms + 60 * MINUTE_MS)
    told = (await here.admin("listHosts"))["host"][0]
    assert told["details"]["sensor.Inlet"] == "23.5 Cel OK"
    assert "sensor.Fan 1" not in told["details"]
    url = here.controller.endpoint.replace("/client/api", "/metrics")
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        metrics = await answer.text()
    labels = f'host="{told["name"]}",sensor="Inlet",unit="Cel"'
    assert f"host_sensor{{{labels}}} 23.5" in metrics
