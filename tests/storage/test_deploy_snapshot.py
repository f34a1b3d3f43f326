"""A guest whose root disk is made of a snapshot."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from projections.storage_pool import storage_pools
from tests.storage.test_snapshots import root_of, simulated, take
from tests.tenant.test_refusals import refusal
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import GIB, POOL, SMALL, ZONE, Place

ASK = {"zoneid": str(ZONE), "serviceofferingid": SMALL}


async def kept(here: Place) -> tuple[Any, Any]:
    """A guest of ann's and a snapshot of its root disk, which says `what was`."""
    vm = await deploy(here.ann, rootdisksize=3)
    root = await root_of(here.ann, vm["id"])
    world, pool = simulated(here), _pool(here)
    world.commit(replace(world.disks[pool][f"{root['id']}.qcow2"], content="what was"))
    return vm, await take(here.ann, root["id"])


def _pool(here: Place) -> str:
    return simulated(here).pool(here.controller.engine.cloud[storage_pools][POOL].url).url


async def test_a_guest_of_a_snapshot_has_its_bytes(here: Place) -> None:
    ann = here.ann
    first, snapshot = await kept(here)
    await here.admin.job("destroyVirtualMachine", id=first["id"], expunge="true")
    made = await ann.job("deployVirtualMachine", **ASK, snapshotid=snapshot["id"], rootdisksize=30)
    vm = made["virtualmachine"]
    assert (vm["state"], vm["templateid"]) == ("Running", first["templateid"])
    root = await root_of(ann, vm["id"])
    assert (root["size"], root["snapshotid"]) == (30 * GIB, snapshot["id"])
    assert simulated(here).disks[_pool(here)][f"{root['id']}.qcow2"].content == "what was"
    await ann.job("deleteSnapshot", id=snapshot["id"])
    await ann.job("rebootVirtualMachine", id=vm["id"])


async def test_a_snapshot_stays_until_the_guest_is_made_of_it(here: Place) -> None:
    ann = here.ann
    _, snapshot = await kept(here)
    made = await ann.job("deployVirtualMachine", **ASK, snapshotid=snapshot["id"], startvm="false")
    vm = made["virtualmachine"]
    assert vm["state"] == "Stopped"
    error = await refusal(ann, "deleteSnapshot", id=snapshot["id"])
    assert f"ROOT-{vm['id'][:8]} is to be made of" in error["errortext"]
    await ann.job("startVirtualMachine", id=vm["id"])
    root = await root_of(ann, vm["id"])
    assert simulated(here).disks[_pool(here)][f"{root['id']}.qcow2"].content == "what was"
    await ann.job("deleteSnapshot", id=snapshot["id"])


async def test_what_is_refused(here: Place) -> None:
    ann, bob = here.ann, here.bob
    vm, snapshot = await kept(here)
    for client, more, words in (
        (bob, {"snapshotid": snapshot["id"]}, "does not exist"),
        (ann, {"snapshotid": snapshot["id"], "rootdisksize": 1}, "at least 3 GiB"),
        (ann, {"snapshotid": snapshot["id"], "hypervisor": "KVM"}, "is for Simulator, not KVM"),
        (ann, {"snapshotid": snapshot["id"], "templateid": vm["templateid"]}, "exclude each other"),
    ):
        error = await refusal(client, "deployVirtualMachine", **ASK, **more)
        assert words in error["errortext"], error


async def test_a_delete_that_comes_between_is_refused_or_stops_the_deploy(here: Place) -> None:
    """Whichever is first, nobody runs from a snapshot that is not there, and nothing is left."""
    ann = here.ann
    first, snapshot = await kept(here)
    asked = [
        ann("deployVirtualMachine", **ASK, snapshotid=snapshot["id"]),
        ann("deleteSnapshot", id=snapshot["id"]),
    ]
    jobs = await asyncio.gather(*asked, return_exceptions=True)
    ends = await asyncio.gather(
        *(ann.ended(job["jobid"]) for job in jobs if isinstance(job, dict)), return_exceptions=True
    )
    went_well = [end for end in ends if isinstance(end, dict)]
    assert len(went_well) >= 1, (jobs, ends)
    there = [vm["id"] for vm in (await ann("listVirtualMachines"))["virtualmachine"]]
    made = [end["virtualmachine"]["id"] for end in went_well if "virtualmachine" in end]
    assert set(there) == {first["id"], *made}
    if not made:
        assert await ann("listSnapshots") == {}
