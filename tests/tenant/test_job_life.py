"""Jobs as those see them whose jobs they are: steps, cancelling, mending, and why not there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cs import CloudStackApiException

from drivers.sim.faults import Fault
from engine.intents import SYSTEM
from engine.intents.finding import OpenFinding
from engine.intents.record import CreateRecord
from tests.tenant.test_vm_life import DEPLOY, deploy
from tests.tenant.world import POOL, SMALL, TEMPLATE, ZONE, Client, Place, named, place


async def steps(client: Client, job_id: str, **more: Any) -> dict[str, dict[str, Any]]:
    found = (await client("listJobSteps", jobid=job_id, **more))["jobstep"]
    assert [one["number"] for one in found] == list(range(1, len(found) + 1))
    return {one["name"]: one for one in found}


async def until(client: Client, job_id: str, state: str) -> dict[str, Any]:
    """The job once it is in this state."""
    for _ in range(3000):
        job: dict[str, Any] = await client("queryAsyncJobResult", jobid=job_id)
        if job["jobstate"] == state:
            return job
        await asyncio.sleep(0.05)
    raise AssertionError(f"job {job_id} is {job['jobstate']}, not {state}")


async def at_work(client: Client, job_id: str, name: str) -> None:
    """Wait until this step is the one at work."""
    for _ in range(3000):
        known = await steps(client, job_id)
        if known[name]["state"] == "Running":
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"step {name} is not at work: {known}")


async def refused(client: Client, command: str, **params: Any) -> str:
    with pytest.raises(CloudStackApiException) as error:
        await client(command, **params)
    assert error.value.error["errorcode"] in (431, 432, 531), error.value.error
    return str(error.value.error["errortext"])


async def test_a_host_that_was_left_for_another_is_told(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        vms, hosts = (here.controller.cloud.table(kind) for kind in ("vm", "host"))
        first = hosts[vms[UUID((await deploy(here.ann))["id"])].host_id]
        faults: Any = here.controller.drivers.get("Simulator")
        faults._site.faults.fail("create_disk", Fault.BEFORE, host=first.url)
        asked = await here.ann("deployVirtualMachine", **DEPLOY)
        assert (await until(here.ann, asked["jobid"], "Succeeded"))["jobstatus"] == 1
        assert vms[UUID(asked["id"])].host_id != first.id
        seen = await steps(here.ann, asked["jobid"])
        assert {one["state"] for one in seen.values()} == {"Done"}
        chosen = seen["hold_room"]
        assert (chosen["attempts"], chosen["error"]) == (1, "Unavailable")
        assert first.name in chosen["errortext"]
        assert "error" not in seen["create_disks"]


async def test_a_parked_job_is_seen_looked_at_and_mended(tmp_path: Path) -> None:
    async with place(tmp_path, **{"fail.stop_guest": "#1:refused"}) as here:
        vm = await deploy(here.ann)
        job_id = (await here.ann("destroyVirtualMachine", id=vm["id"]))["jobid"]
        job = await until(here.ann, job_id, "Parked")
        assert (job["jobstatus"], job["failedstep"]) == (2, "cut_power")
        parked = await here.admin("listAsyncJobs", listall="true", state="parked")
        assert [one["jobid"] for one in parked["asyncjobs"]] == [job_id]
        seen = await steps(here.ann, job_id)
        assert [one["state"] for one in seen.values()] == ["Done", "Parked", "Waiting", "Waiting"]
        assert seen["cut_power"]["touchesworld"] and not seen["destroyed"]["touchesworld"]
        assert seen["cut_power"]["error"] == "Refused"
        assert seen["cut_power"]["errortext"] == job["jobresult"]["errortext"]

        assert "mendAsyncJob" in await refused(here.ann, "mendAsyncJob", jobid=job_id, way="retry")
        assert "one of" in await refused(here.admin, "mendAsyncJob", jobid=job_id, way="pray")
        assert "only goes forward" in await refused(
            here.admin, "mendAsyncJob", jobid=job_id, way="undo"
        )
        await here.admin("mendAsyncJob", jobid=job_id, way="retry")
        assert (await until(here.ann, job_id, "Succeeded"))["jobstatus"] == 1
        assert {one["state"] for one in (await steps(here.ann, job_id)).values()} == {"Done"}
        told = await refused(here.admin, "mendAsyncJob", jobid=job_id, way="retry")
        assert "only a parked job can be mended" in told


async def test_a_cancelled_deploy_leaves_nothing(tmp_path: Path) -> None:
    async with place(tmp_path, **{"delay_s.start_guest": "60"}) as here:
        job_id = (await here.ann("deployVirtualMachine", **DEPLOY))["jobid"]
        await at_work(here.ann, job_id, "start")
        for command in ("cancelAsyncJob", "listJobSteps", "queryAsyncJobResult"):
            assert "entity does not exist" in await refused(here.bob, command, jobid=job_id)
        cancelled = await here.ann("cancelAsyncJob", jobid=job_id)
        assert cancelled["asyncjob"]["jobid"] == job_id
        job = await until(here.ann, job_id, "Failed")
        assert "cancelled" in job["jobresult"]["errortext"]
        assert {one["state"] for one in (await steps(here.ann, job_id)).values()} <= {
            "Undone",
            "Done",
            "Failed",
            "Waiting",
        }
        assert await here.ann("listVirtualMachines", state="Present") == {}
        assert "only a running job" in await refused(here.ann, "cancelAsyncJob", jobid=job_id)


async def test_a_decision_has_no_steps(here: Place) -> None:
    fields = {"zoneid": str(ZONE), "diskofferingid": str(named("none"))}
    assert "entity does not exist" in await refused(here.ann, "createVolume", **fields)
    vm = await deploy(here.ann, startvm="false")
    volume = await here.ann.one("listVolumes", "volume", virtualmachineid=vm["id"])
    renamed = await here.admin("updateVolume", id=volume["id"], name="other")
    assert await here.admin("listJobSteps", jobid=renamed["jobid"]) == {}


async def test_a_placement_is_explained_without_being_made(here: Place) -> None:
    before = here.controller.cloud.position
    ask = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
    found = (await here.admin("explainPlacement", **ask))["placement"]
    assert found["suitable"] is True
    assert found["hostname"] in ("tenant-h1", "tenant-h2")
    assert [one["hostname"] for one in found["host"]] == ["tenant-h3"]
    assert found["host"][0]["rule"] == "without storage"
    again = (await here.admin("explainPlacement", **ask))["placement"]
    assert again["hostid"] == found["hostid"], "the first question left a promise behind"

    huge = {"name": "Huge", "cpu_count": 64, "cpu_mhz": 1000, "memory_mib": 1024}
    create = CreateRecord(kind="service_offering", id=named("huge"), fields=huge)
    await here.controller.engine.decide(create, SYSTEM)
    ask["serviceofferingid"] = str(named("huge"))
    found = (await here.admin("explainPlacement", **ask))["placement"]
    assert (found["suitable"], "hostid" in found) == (False, False)
    assert found["counts"] == {"with too few cores": 3}
    assert here.controller.cloud.position == before + 1, "only the offering was written"
    assert "explainPlacement" in await refused(here.ann, "explainPlacement", **ask)


async def test_findings_are_alerts(here: Place) -> None:
    assert await here.admin("listAlerts") == {}
    opened = OpenFinding(
        id=named("finding"), finding="missing disk", place_id=POOL, subject="x", text="is not there"
    )
    await here.controller.engine.decide(opened, SYSTEM)
    alert = await here.admin.one("listAlerts", "alert", type=12)
    assert (alert["name"], alert["description"]) == ("missing disk", "is not there")
    assert await here.admin("listAlerts", type=8) == {}
    assert await here.admin("listAlerts", keyword="elsewhere") == {}
    assert "listAlerts" in await refused(here.ann, "listAlerts")


async def test_a_dry_run_says_whether_there_is_room(here: Place) -> None:
    """Also of an account's first deploy, whose network is not there yet."""
    plan = await here.ann("deployVirtualMachine", **DEPLOY, dryrun="true")
    assert plan["dryrun"] is True and "vm.created" in plan["plan"]
    huge = {"name": "Huge", "cpu_count": 64, "cpu_mhz": 1000, "memory_mib": 1024}
    create = CreateRecord(kind="service_offering", id=named("huge"), fields=huge)
    await here.controller.engine.decide(create, SYSTEM)
    ask = DEPLOY | {"serviceofferingid": str(named("huge")), "dryrun": "true"}
    with pytest.raises(CloudStackApiException) as error:
        await here.ann("deployVirtualMachine", **ask)
    assert error.value.error["errorcode"] == 533
    assert await here.ann("listNetworks") == {}
