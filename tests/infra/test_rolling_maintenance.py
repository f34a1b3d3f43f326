"""Rolling maintenance through the API: what is asked, what is refused and what is answered."""

from __future__ import annotations

import asyncio

from drivers.contract.hooks import HookEnd, HookStage
from drivers.sim import SimDriver
from tests.infra.build import data_center
from tests.infra.server import Api
from tests.infra.test_guests import _guest as guest


def simulated(api: Api) -> SimDriver:
    driver = api.controller.hosts._drivers.get("Simulator")
    assert isinstance(driver, SimDriver)
    return driver


async def test_the_hosts_of_a_cluster_are_worked_on_in_turn(api: Api) -> None:
    built = await data_center(api)
    vm = await guest(api, built, "rider")
    row = (await api("listHosts", id=vm["hostid"]))["host"][0]
    cluster = row["clusterid"]

    planned = await api("startRollingMaintenance", clusterids=cluster, dryrun="true")
    assert "rolling_maintenance.begun" in str(planned)
    assert (await api("listClusters", id=cluster))["cluster"][0]["allocationstate"] == "Enabled"

    done = await api("startRollingMaintenance", clusterids=cluster, payload="a=1  b=2", timeout=60)
    answer = done["rollingmaintenance"]
    assert (answer["success"], answer["hostsskipped"]) == (True, [])
    members = (await api("listHosts", clusterid=cluster))["host"]
    assert {one["hostid"] for one in answer["hostsupdated"]} == {one["id"] for one in members}
    assert {one["resourcestate"] for one in members} == {"Enabled"}
    first = answer["hostsupdated"][0]
    assert set(first) == {"hostid", "hostname", "startdate", "enddate", "output"}
    assert "Maintenance a=1 b=2" in first["output"]
    assert first["startdate"].endswith("+0000")
    now = (await api("listVirtualMachines", id=vm["id"]))["virtualmachine"][0]
    assert now["state"] == "Running"


async def test_what_it_is_asked_of_is_one_kind_of_place(api: Api) -> None:
    built = await data_center(api)
    text = "give one of hostids, clusterids, podids, zoneids"
    await api.refused("startRollingMaintenance", 431, text)
    two = {"hostids": built.hosts[0], "zoneids": built.zone}
    await api.refused("startRollingMaintenance", 431, text, **two)
    await api.refused("startRollingMaintenance", 431, "", hostids=built.hosts[0], timeout=0)
    await api("prepareHostForMaintenance", id=built.hosts[0])
    await api.refused("startRollingMaintenance", 431, "only an Enabled host", podids=built.pod)

    everything = {"zoneids": built.zone, "forced": "true"}
    done = (await api("startRollingMaintenance", **everything))["rollingmaintenance"]
    assert [one["hostid"] for one in done["hostsskipped"]] == built.hosts[:1]
    assert "only an Enabled host" in done["hostsskipped"][0]["reason"]
    assert len(done["hostsupdated"]) == len(built.hosts) - 1


async def test_how_far_it_is_and_what_stopped_it_is_told(api: Api) -> None:
    built = await data_center(api)
    sim = simulated(api)
    row = (await api("listHosts", id=built.hosts[0]))["host"][0]
    url = next(url for url in sim.world.hosts if row["name"] in url)
    sim.world.set_hook(url, HookStage.MAINTENANCE, HookEnd.FAILED, "no such package")
    sim.faults.slow("run_hook", 0.3)

    asked = await asyncio.to_thread(
        api.cs.startRollingMaintenance, fetch_result=False, hostids=",".join(built.hosts[:2])
    )
    cluster = {"id": built.clusters[0]}
    seen, said = set(), None
    while True:  # what is closed is looked at between two words of the job, which is not over
        closed = (await api("listClusters", **cluster))["cluster"][0]["allocationstate"]
        job = await asyncio.to_thread(api.cs.queryAsyncJobResult, jobid=asked["jobid"])
        if job["jobstatus"]:
            break
        assert closed == "Disabled" or said is None
        said = job.get("progress")
        seen.add(said)
        await asyncio.sleep(0.05)
    assert any(one and one.endswith("1 of 2") for one in seen), seen
    answer = job["jobresult"]["rollingmaintenance"]
    assert not answer["success"]
    assert "no such package" in answer["details"]
    assert "stays in maintenance" in answer["hostsskipped"][0]["reason"]
    assert (await api("listClusters", **cluster))["cluster"][0]["allocationstate"] == "Enabled"
    done = await api("cancelHostMaintenance", id=answer["hostsskipped"][0]["hostid"])
    assert done["host"]["resourcestate"] == "Enabled"
