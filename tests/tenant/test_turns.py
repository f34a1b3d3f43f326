"""Who asks something of a guest that a job has to itself gets a turn, or is told of that job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cs import CloudStackApiException

from sagastack import face
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import SMALL_DISK, ZONE, Place, place


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Place]:
    """Every verb of a host takes a while."""
    async with place(tmp_path, delay_s="0.3") as one:
        yield one


async def test_jobs_on_one_guest_take_turns(slow: Place) -> None:
    """What Terraform does when it takes a guest apart: disk, address and power side by side."""
    vm = await deploy(slow.ann)
    disk = {"name": "d", "diskofferingid": SMALL_DISK, "zoneid": str(ZONE)}
    volume = (await slow.ann.job("createVolume", **disk))["volume"]
    await slow.ann.job("attachVolume", id=volume["id"], virtualmachineid=vm["id"])
    begun = [
        await slow.ann("detachVolume", id=volume["id"]),
        await slow.ann("addIpToNic", nicid=vm["nic"][0]["id"]),
        await slow.ann("stopVirtualMachine", id=vm["id"], forced="true"),
        await slow.ann("startVirtualMachine", id=vm["id"]),
    ]
    for job in begun:
        await slow.ann.ended(job["jobid"])
    now = await slow.ann.one("listVirtualMachines", "virtualmachine", id=vm["id"])
    assert now["state"] == "Running"
    assert now["nic"][0]["secondaryip"]


async def test_whose_turn_does_not_come_is_told_why(
    slow: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = await deploy(slow.ann)
    monkeypatch.setattr(face, "BUSY_S", 0.05)
    stop = await slow.ann("stopVirtualMachine", id=vm["id"])
    with pytest.raises(CloudStackApiException) as refused:
        await slow.ann("startVirtualMachine", id=vm["id"])
    assert f"by job {stop['jobid']}: wait for the job" in refused.value.error["errortext"]
    await slow.ann.ended(stop["jobid"])
