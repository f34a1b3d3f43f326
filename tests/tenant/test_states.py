"""What a state forbids is refused at once, with a sentence, and no job is left of it."""

from __future__ import annotations

from typing import Any

import pytest
from cs import CloudStackApiException

from tests.tenant.test_vm_life import deploy
from tests.tenant.world import SMALL_DISK, ZONE, Client, Place


async def at_once(client: Client, command: str, **params: Any) -> str:
    """The words of a refusal that came as the answer itself."""
    with pytest.raises(CloudStackApiException) as refused:
        await client(command, **params)
    error = refused.value.error
    assert "jobresult" not in error, f"{command} was refused by its job, not at once"
    codes = (error["errorcode"], error["cserrorcode"])
    assert codes in ((431, 4350), (536, 4375)), error
    text: str = error["errortext"]
    assert len(text.split()) > 4, text
    return text


async def jobs(here: Place) -> int:
    found = await here.admin("listAsyncJobs", listall="true")
    return int(found.get("count", 0))


async def test_a_running_guest(here: Place) -> None:
    vm = await deploy(here.ann)
    before = await jobs(here)
    assert "is Running: it must be Stopped" in await at_once(
        here.ann, "startVirtualMachine", id=vm["id"]
    )
    assert "is Running" in await at_once(here.ann, "recoverVirtualMachine", id=vm["id"])
    assert await jobs(here) == before


async def test_a_stopped_guest(here: Place) -> None:
    vm = await deploy(here.ann, startvm="false")
    before = await jobs(here)
    for client, command, param in (
        (here.ann, "rebootVirtualMachine", "id"),
        (here.ann, "recoverVirtualMachine", "id"),
        (here.admin, "migrateVirtualMachine", "virtualmachineid"),
        (here.admin, "findHostsForMigration", "virtualmachineid"),
    ):
        text = await at_once(client, command, **{param: vm["id"]})
        assert "Stopped" in text, (command, text)
    assert await jobs(here) == before
    again = await here.ann.job("stopVirtualMachine", id=vm["id"])
    assert again["virtualmachine"]["state"] == "Stopped"


async def test_a_destroyed_guest(here: Place) -> None:
    vm = await deploy(here.ann, startvm="false")
    await here.ann.job("destroyVirtualMachine", id=vm["id"])
    before = await jobs(here)
    for command in (
        "startVirtualMachine",
        "stopVirtualMachine",
        "rebootVirtualMachine",
    ):
        text = await at_once(here.ann, command, id=vm["id"])
        assert "Destroyed" in text, (command, text)
    assert await jobs(here) == before
    again = await here.ann.job("destroyVirtualMachine", id=vm["id"])
    assert again["virtualmachine"]["state"] == "Destroyed"


@pytest.mark.parametrize("runs", ["true", "false"])
async def test_a_guest_is_expunged_only_when_it_was_let_go(here: Place, runs: str) -> None:
    vm = await deploy(here.admin, startvm=runs)
    text = await at_once(here.admin, "expungeVirtualMachine", id=vm["id"])
    assert f"is {vm['state']}: destroy it" in text
    await here.admin.job("destroyVirtualMachine", id=vm["id"])
    assert await here.admin.job("expungeVirtualMachine", id=vm["id"]) == {"success": True}


async def test_a_destroyed_guests_name_may_be_anothers_by_then(here: Place) -> None:
    first = await deploy(here.admin, name="web")
    await here.admin.job("destroyVirtualMachine", id=first["id"])
    second = await deploy(here.admin, name="web")
    assert "named web already" in await at_once(here.admin, "recoverVirtualMachine", id=first["id"])
    await here.admin("updateVirtualMachine", id=second["id"], name="web2")
    told = await here.admin("recoverVirtualMachine", id=first["id"])
    assert told["virtualmachine"]["state"] == "Stopped"


async def test_a_destroyed_guests_data_disks_are_its_owners_to_use(here: Place) -> None:
    vm, other = await deploy(here.ann), await deploy(here.ann)
    made = await here.ann.job("createVolume", name="d", diskofferingid=SMALL_DISK, zoneid=str(ZONE))
    disk = made["volume"]["id"]
    await here.ann.job("attachVolume", id=disk, virtualmachineid=vm["id"])
    await here.ann.job("destroyVirtualMachine", id=vm["id"])
    seen = await here.ann.one("listVolumes", "volume", id=disk)
    assert seen["state"] == "Ready" and "virtualmachineid" not in seen
    await here.ann.job("attachVolume", id=disk, virtualmachineid=other["id"])
    root = await here.admin.one("listVolumes", "volume", virtualmachineid=vm["id"], listall=True)
    assert root["type"] == "ROOT"


async def test_disks_that_snapshots_hold_stay_and_are_not_said_to_be_gone(here: Place) -> None:
    vm = await deploy(here.ann)
    made = await here.ann.job("createVolume", name="d", diskofferingid=SMALL_DISK, zoneid=str(ZONE))
    disk = made["volume"]["id"]
    await here.ann.job("attachVolume", id=disk, virtualmachineid=vm["id"])
    await here.ann.job("createVMSnapshot", virtualmachineid=vm["id"], name="s")
    await here.ann.job("destroyVirtualMachine", id=vm["id"])
    seen = await here.ann.one("listVolumes", "volume", id=disk)
    assert seen["virtualmachineid"] == vm["id"]
    text = await at_once(here.ann, "destroyVirtualMachine", id=vm["id"], volumeids=disk)
    assert "keeps its disks" in text or "Destroyed" in text
    assert await here.ann.one("listVolumes", "volume", id=disk)


async def test_a_volume(here: Place) -> None:
    vm = await deploy(here.ann, startvm="false")
    made = await here.ann.job("createVolume", name="d", diskofferingid=SMALL_DISK, zoneid=str(ZONE))
    disk = made["volume"]["id"]
    await at_once(here.ann, "detachVolume", id=disk)
    await here.ann.job("attachVolume", id=disk, virtualmachineid=vm["id"])
    before = await jobs(here)
    await at_once(here.ann, "attachVolume", id=disk, virtualmachineid=vm["id"])
    root = await here.ann.one("listVolumes", "volume", type="ROOT")
    await at_once(here.ann, "detachVolume", id=root["id"])
    await at_once(here.ann, "attachVolume", id=root["id"], virtualmachineid=vm["id"])
    for volume_id in (disk, root["id"]):
        await at_once(here.ann, "deleteVolume", id=volume_id)
    assert await jobs(here) == before
