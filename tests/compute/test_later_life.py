"""Restore, destroy with disks, expunge by time, and a new owner."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from cs import CloudStackApiException

from drivers.sim import Fault
from engine.chores.vm import expunge_destroyed_guests, restart_fallen_guests
from engine.intents import SYSTEM
from engine.intents.vm import VmFound
from projections.space import Space
from projections.vm import vms
from tests.tenant.test_vm_life import deploy, state_of
from tests.tenant.world import CUSTOM_DISK, ISOLATED, SMALL, ZONE, Place

HOUR_MS = 3_600_000


def world(here: Place) -> Any:
    return here.controller.drivers.get("Simulator").world  # type: ignore[attr-defined]


def disks_there(here: Place) -> set[str]:
    return {str(disk.volume_id) for disk in world(here).residue().disks}


async def root_of(here: Place, vm_id: str) -> Any:
    return await here.ann.one("listVolumes", "volume", type="ROOT", virtualmachineid=vm_id)


@pytest.mark.parametrize("runs", [True, False])
async def test_a_fresh_root_disk(here: Place, runs: bool) -> None:
    vm = await deploy(here.ann, rootdisksize=5, diskofferingid=CUSTOM_DISK, size=1)
    if not runs:
        await here.ann.job("stopVirtualMachine", id=vm["id"])
    before = await root_of(here, vm["id"])
    restored = await here.ann.job("restoreVirtualMachine", virtualmachineid=vm["id"])
    assert restored["virtualmachine"]["state"] == ("Running" if runs else "Stopped")
    assert restored["virtualmachine"]["nic"] == vm["nic"]
    after = await root_of(here, vm["id"])
    assert after["id"] != before["id"]
    assert (after["size"], after["deviceid"], after["state"]) == (before["size"], 0, "Ready")
    kept = {v["id"] for v in (await here.ann("listVolumes"))["volume"]}
    assert len(kept) == 2 and disks_there(here) == kept, "the old root disk is still there"
    rooms = {h.volume_id for h in here.controller.cloud.view(Space).holds.values()}
    assert rooms == {UUID(one) for one in kept}
    if not runs:
        await here.ann.job("startVirtualMachine", id=vm["id"])


async def test_a_restore_that_fails_leaves_the_guest_as_it_was(here: Place) -> None:
    vm = await deploy(here.ann)
    before = await root_of(here, vm["id"])
    sim = here.controller.drivers.get("Simulator")
    sim.faults.fail("start_guest", Fault.REFUSED, nth=1)  # type: ignore[attr-defined]
    with pytest.raises(CloudStackApiException, match="refused, by seed"):
        await here.ann.job("restoreVirtualMachine", virtualmachineid=vm["id"])
    assert (await root_of(here, vm["id"]))["id"] == before["id"]
    assert await state_of(here.ann, vm["id"]) == "Running"
    (guest,) = world(here).residue().guests
    assert [str(disk.volume_id) for disk in guest.disks] == [before["id"]]
    assert disks_there(here) == {before["id"]}


async def test_data_disks_go_with_a_destroyed_guest_if_they_are_named(here: Place) -> None:
    vm = await deploy(here.ann, diskofferingid=CUSTOM_DISK, size=1)
    data = await here.ann.one("listVolumes", "volume", type="DATADISK")
    root = await root_of(here, vm["id"])
    with pytest.raises(CloudStackApiException, match="is no data disk of"):
        await here.ann("destroyVirtualMachine", id=vm["id"], volumeids=root["id"])
    await here.ann.job("destroyVirtualMachine", id=vm["id"], volumeids=data["id"])
    assert disks_there(here) == {root["id"]}


async def test_only_administrators_expunge_unless_a_setting_says_so(here: Place) -> None:
    vm = await deploy(here.ann, startvm="false")
    for ask in (
        ("destroyVirtualMachine", {"expunge": "true"}),
        ("expungeVirtualMachine", {}),
        ("recoverVirtualMachine", {}),
    ):
        with pytest.raises(CloudStackApiException, match="are for administrators while"):
            await here.ann(ask[0], id=vm["id"], **ask[1])
    name = "allow.user.expunge.recover.vm"
    await here.admin("updateConfiguration", name=name, value="true")
    await here.ann.job("destroyVirtualMachine", id=vm["id"])
    assert await here.ann.job("expungeVirtualMachine", id=vm["id"]) == {"success": True}


async def test_a_destroyed_guest_is_expunged_when_its_time_is_over(here: Place) -> None:
    vm = await deploy(here.ann)
    await here.ann.job("destroyVirtualMachine", id=vm["id"])
    engine = here.controller.engine
    await here.admin("updateConfiguration", name="expunge.delay", value="3600")
    destroyed_ms = here.controller.cloud[vms][UUID(vm["id"])].state_at_ms
    await expunge_destroyed_guests(engine, destroyed_ms + HOUR_MS - 1)
    assert await state_of(here.ann, vm["id"]) == "Destroyed"
    await expunge_destroyed_guests(engine, destroyed_ms + HOUR_MS)
    await _until_gone(here, vm["id"])
    assert disks_there(here) == set()


async def _until_gone(here: Place, vm_id: str) -> None:
    async with asyncio.timeout(60):
        while UUID(vm_id) in here.controller.cloud[vms]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def to_bob(here: Place, vm_id: str) -> dict[str, Any]:
    """How the guest is asked to be given to bob, with a network of his."""
    net = await here.bob(
        "createNetwork", name="bobs", networkofferingid=ISOLATED, zoneid=str(ZONE),
        gateway="10.1.9.1", netmask="255.255.255.0",
    )  # fmt: skip
    bob = await here.admin.one("listAccounts", "account", name="bob", listall="true")
    return {
        "virtualmachineid": vm_id, "account": "bob", "domainid": bob["domainid"],
        "networkids": net["network"]["id"],
    }  # fmt: skip


async def test_what_the_former_owner_has_of_a_disk_does_not_reach_it(here: Place) -> None:
    vm = await deploy(here.ann)
    (root,) = (await here.ann("listVolumes"))["volume"]
    kept = (await here.ann.job("createSnapshot", volumeid=root["id"]))["snapshot"]
    daily = {"intervaltype": "DAILY", "schedule": "00:03", "timezone": "UTC", "maxsnaps": 2}
    policy = await here.ann("createSnapshotPolicy", volumeid=root["id"], **daily)
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    ask = await to_bob(here, vm["id"])
    with pytest.raises(CloudStackApiException, match="has a snapshot policy of its owner"):
        await here.admin("assignVirtualMachine", **ask)
    await here.ann("deleteSnapshotPolicies", id=policy["snapshotpolicy"]["id"])
    await here.admin("assignVirtualMachine", **ask)
    with pytest.raises(CloudStackApiException, match="is another account's"):
        await here.ann.job("revertSnapshot", id=kept["id"])
    more = {"snapshotid": kept["id"], "templateid": "", "startvm": "false"}
    copy = await deploy(here.ann, **more)
    with pytest.raises(CloudStackApiException, match="is still to be made of its owner's snapshot"):
        await here.admin("assignVirtualMachine", **(ask | {"virtualmachineid": copy["id"]}))


async def test_it_is_given_to_another_account_with_all_that_it_has(here: Place) -> None:
    vm = await deploy(here.ann, diskofferingid=CUSTOM_DISK, size=1)
    ask = await to_bob(here, vm["id"])
    with pytest.raises(CloudStackApiException, match="stop it first"):
        await here.admin("assignVirtualMachine", **ask)
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    tag = {"resourcetype": "UserVm", "resourceids": vm["id"], "tags": [{"key": "k", "value": "v"}]}
    await here.ann.job("createTags", **tag)
    full = {"resourcetype": 0, "account": "bob", "domainid": ask["domainid"]}
    await here.admin("updateResourceLimit", **full, max=0)
    with pytest.raises(CloudStackApiException, match="limit"):
        await here.admin("assignVirtualMachine", **ask)
    await here.admin("updateResourceLimit", **full, max=5)
    moved = (await here.admin("assignVirtualMachine", **ask))["virtualmachine"]
    assert moved["tags"][0]["account"] == "bob"
    assert (moved["account"], moved["nic"][0]["networkname"]) == ("bob", "bobs")
    assert await here.ann("listVirtualMachines") == {}
    assert await here.ann("listVolumes") == {}
    assert (await here.bob("listVolumes"))["count"] == 2
    started = await here.bob.job("startVirtualMachine", id=vm["id"])
    assert started["virtualmachine"]["nic"][0]["ipaddress"].startswith("10.1.9.")


async def test_a_fallen_guest_of_an_ha_offering_is_started_again(here: Place) -> None:
    made = await here.admin(
        "createServiceOffering", name="ha", displaytext="ha", cpunumber=1, cpuspeed=500,
        memory=512, offerha="true",
    )  # fmt: skip
    safe = await deploy(here.ann, serviceofferingid=made["serviceoffering"]["id"])
    plain = await deploy(here.ann, serviceofferingid=SMALL)
    stopped = await deploy(here.ann, serviceofferingid=made["serviceoffering"]["id"])
    await here.ann.job("stopVirtualMachine", id=stopped["id"])
    for one in (safe, plain):
        row = here.controller.cloud[vms][UUID(one["id"])]
        world(here).kill_guest(row.id)
        found = VmFound(vm_id=row.id, version=row.version, why="found off")
        await here.controller.engine.decide(found, SYSTEM)
    await restart_fallen_guests(here.controller.engine, 2**42)
    async with asyncio.timeout(60):
        while await state_of(here.ann, safe["id"]) != "Running":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await state_of(here.ann, plain["id"]) == "Stopped"
    assert await state_of(here.ann, stopped["id"]) == "Stopped"
