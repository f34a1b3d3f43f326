"""Hosts are measured into memory, and metrics lists tell what is used, promised and too full."""

from __future__ import annotations

from typing import Any

import pytest
from cs import CloudStackApiException

from drivers.sim.faults import Fault
from engine.chores.vitals import measure_hosts
from tests.operate.test_settings import change
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import MAIN, POOL, ZONE, Place, named, settled

MARKS = {
    f"{what}{word}{end}"
    for what in ("cpu", "memory")
    for word in ("", "allocated")
    for end in ("threshold", "disablethreshold")
}


async def measured(here: Place, at_ms: int) -> None:
    await measure_hosts(here.controller.engine, here.controller.cloud.at_ms + at_ms)


async def test_hosts_tell_what_they_were_measured_at(here: Place) -> None:
    await deploy(here.ann)
    position, host = await settled(here.controller.cloud), str(named("host 1"))
    assert "cpuused" not in await here.admin.one("listHosts", "host", id=host)
    await measured(here, 0)
    seen = await here.admin.one("listHosts", "host", id=host)
    assert 0 < float(seen["cpuused"].rstrip("%")) <= 100
    assert 2 * 2**30 < seen["memoryused"] < seen["memorytotal"]
    metrics = await here.admin.one("listHostsMetrics", "host", id=host)
    assert metrics["instances"] == "1 / 1" and metrics["cputotalghz"] == "16.00 Ghz"
    assert (metrics["cpuallocatedghz"], metrics["memorytotalgb"]) == ("0.50 Ghz", "16.00 GB")
    assert metrics["memoryusedgb"] == "2.50 GB" and metrics["networkread"].endswith(" GB")
    assert {name for name in MARKS if metrics[name] is False} == MARKS
    assert here.controller.cloud.position == position, "measurements do not belong into the log"
    await change(here.admin, "host.stats.interval", "0")
    with pytest.raises(CloudStackApiException):
        await here.ann("listHostsMetrics")


async def test_a_host_that_does_not_answer_tells_nothing(here: Place) -> None:
    await measured(here, 0)
    host = named("host 1")
    assert here.controller.cloud.vitals.host(host) is not None
    simulator: Any = here.controller.drivers.get("Simulator")
    simulator.faults.fail("host_stats", Fault.BEFORE)
    await measured(here, 120_000)
    assert here.controller.cloud.vitals.host(host) is None
    assert "cpuused" not in await here.admin.one("listHosts", "host", id=str(host))


async def test_clusters_and_zones_are_sums_marked_by_their_settings(here: Place) -> None:
    await deploy(here.ann)
    await measured(here, 0)
    cluster = await here.admin.one("listClustersMetrics", "cluster", id=str(MAIN))
    assert (cluster["hosts"], cluster["state"]) == ("2 / 2", "Enabled")
    assert (cluster["cputotal"], cluster["memorytotal"]) == ("32.00 Ghz", "32.00 GB")
    assert (cluster["cpuallocated"], cluster["memoryallocated"]) == ("1.56%", "1.56%")
    assert float(cluster["memoryused"].rstrip("%")) == pytest.approx(100 * 4.5 / 32, abs=0.01)
    assert cluster["memorymaxdeviation"] == f"{100 * 0.25 / 16:.2f}%"
    assert not any(cluster[name] for name in MARKS)
    word = "cluster.memory.allocated.capacity.notificationthreshold"
    await change(here.admin, word, "0.01", clusterid=str(MAIN))
    cluster = await here.admin.one("listClustersMetrics", "cluster", id=str(MAIN))
    assert {name for name in MARKS if cluster[name]} == {
        "memorythreshold", "memoryallocatedthreshold",
    }  # fmt: skip
    zone = await here.admin.one("listZonesMetrics", "zone", id=str(ZONE))
    assert (zone["clusters"], zone["cputotal"]) == ("2 / 2", "48.00 Ghz")
    assert not any(zone[name] for name in MARKS)
    plain: dict[str, Any] = await here.admin.one("listZones", "zone", id=str(ZONE))
    assert plain.items() <= zone.items()


async def test_pools_tell_what_is_promised_and_used(here: Place) -> None:
    await deploy(here.ann)
    pool = await here.admin.one("listStoragePoolsMetrics", "storagepool", id=str(POOL))
    assert pool["disksizetotalgb"] == "1000.00 GB (x2)"
    promised = float(pool["disksizeallocatedgb"].removesuffix(" GB"))
    assert pool["disksizeunallocatedgb"] == f"{2000 - promised:.2f} GB"
    assert pool["storageallocatedthreshold"] is False
    await change(
        here.admin, "cluster.storage.allocated.capacity.notificationthreshold", "0.0",
        zoneid=str(ZONE),
    )  # fmt: skip
    pool = await here.admin.one("listStoragePoolsMetrics", "storagepool", id=str(POOL))
    assert pool["storageallocatedthreshold"] is True
    assert pool["storageallocateddisablethreshold"] is False


async def test_capacity_is_told_of_what_carries_a_tag(here: Place) -> None:
    await here.admin("updateHost", id=str(named("host 1")), hosttags="fast")
    vm = await deploy(here.ann)
    seen = await here.admin.one("listVirtualMachines", "virtualmachine", id=vm["id"])
    assert seen["hostid"] == str(named("host 1"))
    found = await here.admin("listCapacity", zoneid=str(ZONE), tag="fast")
    rows = {row["type"]: row for row in found["capacity"]}
    assert rows.keys() == {0, 1, 90}
    assert (rows[0]["capacityused"], rows[0]["capacitytotal"]) == (512 * 2**20, 16 * 2**30)
    assert (rows[1]["capacityused"], rows[1]["capacitytotal"]) == (500, 16_000)
    assert (rows[90]["capacitytotal"], rows[90]["tag"]) == (8, "fast")
    assert await here.admin("listCapacity", zoneid=str(ZONE), tag="slow") == {}
    most = await here.admin("listCapacity", sortby="usage", page=1, pagesize=1, fetchlatest="true")
    assert most["count"] > 1 and len(most["capacity"]) == 1
