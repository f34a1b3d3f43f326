"""Guests are measured into memory, and their lists show it."""

from __future__ import annotations

from engine.chores.vitals import measure_guests
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import Place

MINUTE_MS = 60_000


async def test_a_running_guest_is_measured_and_its_lists_tell(here: Place) -> None:
    vm = await deploy(here.ann)
    stopped = await deploy(here.ann, startvm="false")
    engine = here.controller.engine
    position = here.controller.cloud.position
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
