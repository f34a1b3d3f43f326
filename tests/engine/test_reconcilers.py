"""What is really there against what the log says: guests and disks."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from aggregates.affinity_group import APART
from aggregates.errors import NotAllowed
from aggregates.saga import RunState
from aggregates.vm import VmState
from drivers.contract.compute import GuestStatus, Power
from drivers.sim import compute
from drivers.sim.faults import Fault
from drivers.sim.rows import Gone, disk_file
from engine.intents.finding import SweepDisk
from engine.intents.host import RemoveHost
from engine.intents.record import CreateRecord
from engine.intents.saga import CancelJob, MendJob
from engine.intents.snapshot import CreateSnapshot, DeleteSnapshot
from engine.intents.vm import ExpungeVm, RebootVm, StartVm, StopVm, UpdateVm, VmFound
from engine.intents.volume import AttachVolume, DeleteVolume, DetachVolume
from engine.reconcilers import sweep
from projections.capacity import Capacity
from projections.finding import FindingKind
from projections.host import hosts
from projections.vm import vms
from projections.volume import volumes
from tests.engine.looking import Cloud
from tests.sagas.seed import (
    ACCOUNT,
    DOMAIN,
    HOSTS,
    POOL,
    attached_volume,
    deploy,
    loose_volume,
    named,
    running,
)


async def test_a_healthy_cloud_is_left_alone(here: Cloud) -> None:
    await running(here.r)
    before = here.cloud.position
    await here.look(3)
    assert here.cloud.position == before


@pytest.mark.parametrize("power", [Power.OFF, Power.CRASHED, None])
async def test_a_dead_guest_is_stopped_and_nothing_of_it_stays(
    here: Cloud, power: Power | None
) -> None:
    vm_id = await running(here.r)
    host_id = here.cloud[vms][vm_id].host_id
    (guest,) = here.world.where(vm_id)
    if power is None:
        here.world.commit(Gone("guest", guest.host, guest.ident))
    else:
        here.world.kill_guest(vm_id, power=power)
    await here.look()
    assert here.cloud[vms][vm_id].state is VmState.RUNNING, "one look is not enough"
    await here.look()
    vm = here.cloud[vms][vm_id]
    assert (vm.state, vm.host_id, vm.hold) == (VmState.STOPPED, None, None)
    assert not here.cloud.view(Capacity).is_used(host_id)  # type: ignore[arg-type]
    (stopped,) = [
        one.event for one in await here.r.log.read_stream(vm_id) if one.topic == "vm.stopped"
    ]
    assert stopped.why == f"found {power or 'gone'} on host sim://host1"
    await here.look(2)
    assert here.copies(vm_id) == [], "what is left of it on the host goes too"
    assert here.open() == []
    row = await here.r.run(StartVm(vm_id=vm_id, host_id=HOSTS[1]))
    assert row.state is RunState.SUCCEEDED, row.error_text


async def test_the_residue_of_a_dead_guest_keeps_it_from_no_other_host(here: Cloud) -> None:
    """A crashed guest still has the locks of its disks."""
    vm_id = await running(here.r)
    here.world.kill_guest(vm_id, power=Power.CRASHED)
    await here.look(2)
    row = await here.r.run(StartVm(vm_id=vm_id, host_id=HOSTS[1]))
    assert row.state is RunState.SUCCEEDED, row.error_text
    assert here.copies(vm_id) == ["sim://host2"]


async def test_a_guest_that_changed_between_two_looks_is_looked_at_anew(here: Cloud) -> None:
    vm_id = await running(here.r)
    here.world.kill_guest(vm_id)
    await here.look()
    await here.r.engine.decide(UpdateVm(vm_id=vm_id, display_name="other"), here.r.by)
    await here.look()
    assert here.cloud[vms][vm_id].state is VmState.RUNNING
    await here.look()
    assert here.cloud[vms][vm_id].state is VmState.STOPPED
    await here.look(2)


async def test_a_guest_that_was_started_since_is_not_found_dead(here: Cloud) -> None:
    """What was decided to look at is named by version; the decision holds against no other."""
    vm_id = await running(here.r)
    version = here.cloud[vms][vm_id].version
    await here.r.run(StopVm(vm_id=vm_id))
    await here.r.run(StartVm(vm_id=vm_id))
    await here.r.engine.decide(VmFound(vm_id=vm_id, version=version, why="late"), here.r.by)
    assert here.cloud[vms][vm_id].state is VmState.RUNNING


async def test_nothing_is_touched_while_a_job_is_at_work(here: Cloud) -> None:
    vm_id = await running(here.r)
    here.world.kill_guest(vm_id, power=Power.CRASHED)
    here.r.sim.faults.slow("reboot_guest", 30)
    job = await here.r.engine.submit(RebootVm(vm_id=vm_id), here.r.by)
    for _ in range(3):
        await here.sweeper.sweep()
    assert here.cloud[vms][vm_id].job_id == job.id
    assert here.cloud[vms][vm_id].state is VmState.RUNNING
    assert here.copies(vm_id)
    here.r.sim.faults.clear()

    await here.r.engine.decide(CancelJob(job_id=job.id), here.r.by)
    await here.r.engine.runner.wait(job.id)
    await here.look(4)


async def test_a_guest_that_stops_while_its_host_is_listed_is_no_orphan(
    here: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listing is older than the row: what it shows is neither an orphan nor dead."""
    vm_id = await running(here.r)
    real = sweep.guests_of

    async def stopped_since(registry: Any, host: Any, within_s: float) -> list[GuestStatus]:
        listed = await real(registry, host, within_s)
        if host.id == HOSTS[0]:
            await here.r.run(StopVm(vm_id=vm_id))
        return listed

    monkeypatch.setattr(sweep, "guests_of", stopped_since)
    await here.look()
    assert not here.sweeper._seen


# ---- orphans and strangers -----------------------------------------------------------------


@pytest.mark.parametrize("expunged", [True, False])
async def test_a_guest_of_ours_that_should_not_be_there_goes(here: Cloud, expunged: bool) -> None:
    vm_id = await running(here.r)
    await here.r.run(ExpungeVm(vm_id=vm_id) if expunged else StopVm(vm_id=vm_id))
    await here.start_copy(vm_id, HOSTS[2])
    await here.look()
    assert here.copies(vm_id), "one look is not enough"
    await here.look()
    assert here.copies(vm_id) == []
    assert here.open() == []
    assert (await here.topics()).count("finding.opened") == 1
    if expunged:
        for volume_id in [named("data web")]:
            await here.r.run(DeleteVolume(volume_id=volume_id))


async def test_no_guest_is_started_where_it_is_just_being_swept(here: Cloud) -> None:
    """The removal may land at any time until the host has answered."""
    vm_id = await running(here.r)
    await here.r.run(StopVm(vm_id=vm_id))
    await here.start_copy(vm_id, HOSTS[0])
    await here.look()
    here.r.sim.faults.slow("remove_guest", 0.3)
    await here.sweeper.sweep()
    with pytest.raises(NotAllowed, match="Sweeping by job"):
        await here.r.engine.submit(StartVm(vm_id=vm_id), here.r.by)
    here.r.sim.faults.clear()
    await here.look()
    row = await here.r.run(StartVm(vm_id=vm_id))
    assert row.state is RunState.SUCCEEDED, row.error_text
    assert here.copies(vm_id) == ["sim://host1"]


async def test_what_cannot_be_removed_does_not_keep_its_guest(here: Cloud) -> None:
    vm_id = await running(here.r)
    here.r.sim.faults.fail("remove_guest", Fault.REFUSED, host="sim://host3")
    await here.start_copy(vm_id, HOSTS[2])
    await here.look(2)
    assert here.cloud[vms][vm_id].job_id is None
    assert here.open() == []
    here.r.sim.faults.clear()
    await here.look(2)
    assert here.copies(vm_id) == ["sim://host1"]


async def test_a_stranger_is_reported_once_and_left_alone(here: Cloud) -> None:
    guest = here.world.add_stranger("sim://host1", "theirs")
    await here.look()
    assert here.open() == []
    await here.look(3)
    assert here.open() == [FindingKind.STRANGER_GUEST]
    assert (await here.topics()).count("finding.opened") == 1
    assert guest in here.world.residue().guests
    here.world.commit(Gone("guest", guest.host, guest.ident))
    await here.look()
    assert here.open() == []


async def test_a_stranger_on_a_host_that_was_removed_is_no_finding(here: Cloud) -> None:
    guest = here.world.add_stranger("sim://host3", "theirs")
    await here.look(2)
    assert (await here.r.run(RemoveHost(id=HOSTS[2]))).state is RunState.SUCCEEDED
    await here.look()
    assert here.open() == []
    here.world.commit(Gone("guest", guest.host, guest.ident))


async def test_disks_ours_and_others_and_missing(here: Cloud) -> None:
    volume_id = await attached_volume(here.r)
    await here.r.run(DetachVolume(volume_id=volume_id))
    await here.r.run(DeleteVolume(volume_id=volume_id))
    await here.make_disk(volume_id)
    stray = here.world.add_stray_disk("sim://pool", "theirs.img", size_bytes=512)
    lost = named("data web")
    there = next(d for d in here.world.residue().disks if d.volume_id == lost)
    here.world.commit(Gone("disk", "sim://pool", disk_file(lost)))
    await here.look()
    assert here.open() == []
    assert volume_id in {disk.volume_id for disk in here.world.residue().disks}
    await here.look()
    assert here.open() == [FindingKind.MISSING_DISK, FindingKind.STRANGER_DISK]
    assert volume_id not in {disk.volume_id for disk in here.world.residue().disks}
    assert stray in here.world.residue().disks
    here.world.commit(there, Gone("disk", stray.pool, stray.file))
    await here.look()
    assert here.open() == []


async def test_snapshots_ours_and_others(here: Cloud) -> None:
    """Those that the log has stay; a late one goes; a stranger's is reported."""
    volume_id, kept, late = await attached_volume(here.r), named("kept"), named("late")
    for snapshot_id in (kept, late):
        ask = CreateSnapshot(snapshot_id=snapshot_id, volume_id=volume_id, name="kept")
        assert (await here.r.run(ask)).state is RunState.SUCCEEDED
    was = next(d for d in here.world.residue().disks if d.snapshot_id == late)
    await here.r.run(DeleteSnapshot(snapshot_id=late))
    strange = replace(was, file="snapshots/theirs.qcow2", snapshot_id=None)
    here.world.commit(was, strange)
    await here.look()
    assert here.open() == []
    await here.look()
    assert here.open() == [FindingKind.STRANGER_DISK]
    left = {d.snapshot_id for d in here.world.residue().disks if d.is_snapshot}
    assert left == {kept, None}
    here.world.commit(Gone("disk", strange.pool, strange.file))
    await here.look()
    assert here.open() == []


async def test_a_late_disk_of_a_volume_that_is_on_no_pool_goes(here: Cloud) -> None:
    volume_id = await loose_volume(here.r)
    await here.make_disk(volume_id)
    await here.look(2)
    assert not here.world.residue().disks


def sweep_disk(volume_id: UUID) -> SweepDisk:
    return SweepDisk(finding_id=uuid4(), pool_id=POOL, volume_id=volume_id, text="late")


async def test_a_disk_that_a_job_is_just_making_is_not_swept(here: Cloud) -> None:
    here.r.sim.faults.slow("start_guest", 0.1)
    job = await here.r.engine.submit(deploy(), here.r.by)
    with pytest.raises(NotAllowed, match="belongs in that pool by now"):
        await here.r.engine.submit(sweep_disk(named("data web")), here.r.by)
    row = await here.r.engine.runner.wait(job.id)
    assert row.state is RunState.SUCCEEDED
    with pytest.raises(NotAllowed, match="belongs in that pool by now"):
        await here.r.engine.submit(sweep_disk(named("data web")), here.r.by)


async def test_a_disk_that_came_to_belong_before_it_was_removed_stays(here: Cloud) -> None:
    """Between two tries its volume is attached, and what lies there becomes its disk."""
    vm_id, volume_id = await running(here.r), await loose_volume(here.r)
    await here.make_disk(volume_id)
    here.r.sim.faults.fail("remove_disk", Fault.BEFORE, times=1)
    attach = AttachVolume(volume_id=volume_id, vm_id=vm_id)
    begun: list[object] = []

    async def pause(seconds: float) -> None:
        if seconds and not begun:
            begun.append(await here.r.engine.submit(attach, here.r.by))

    here.r.engine.runner._clock.sleep = pause  # type: ignore[method-assign]
    row = await here.r.run(sweep_disk(volume_id))
    assert (row.state, len(begun)) == (RunState.SUCCEEDED, 1)
    await here.look(3)
    assert here.open() == []
    assert here.cloud[volumes][volume_id].vm_id == vm_id
    assert volume_id in {disk.volume_id for disk in here.world.residue().disks}


async def test_a_migration_that_lands_after_it_was_given_up_is_followed(here: Cloud) -> None:
    vm_id = await running(here.r)
    await _land(here, vm_id, HOSTS[2])
    await here.look()
    assert here.cloud[vms][vm_id].host_id == HOSTS[0], "one look is not enough"
    await here.look(3)
    vm = here.cloud[vms][vm_id]
    assert (vm.state, vm.host_id) == (VmState.RUNNING, HOSTS[2])
    assert here.copies(vm_id) == ["sim://host3"], "it runs on"
    used = [host for host in HOSTS if here.cloud.view(Capacity).is_used(host)]
    assert (used, here.open()) == ([HOSTS[2]], [])


async def test_where_a_guest_may_not_be_it_does_not_stay(here: Cloud) -> None:
    """Its group keeps it from that host: it is stopped, as one that died, and may start again."""
    fields = {"name": "apart", "kind": APART, "account_id": ACCOUNT, "domain_id": DOMAIN}
    group = CreateRecord(kind="affinity_group", id=named("apart"), fields=fields)
    await here.r.engine.decide(group, here.r.by)
    groups = (group.id,)
    asks = [replace(deploy(name), affinity_group_ids=groups) for name in ("a", "b")]
    for ask in asks:
        await here.r.run(ask)
    one, two = (here.cloud[vms][ask.vm_id] for ask in asks)
    assert two.host_id is not None
    await _land(here, one.id, two.host_id)
    await here.look(5)
    assert here.cloud[vms][one.id].state is VmState.STOPPED
    assert here.copies(one.id) == []
    row = await here.r.run(StartVm(vm_id=one.id))
    assert row.state is RunState.SUCCEEDED, row.error_text


async def _land(here: Cloud, vm_id: UUID, host_id: UUID) -> None:
    (guest,) = here.world.where(vm_id)
    target = here.world.host(here.cloud[hosts][host_id].url)
    compute.migrate(here.world, here.world.hosts[guest.host], vm_id, target)


async def test_a_guest_that_strayed_does_not_keep_itself_from_being_expunged(here: Cloud) -> None:
    vm_id = await running(here.r)
    await _land(here, vm_id, HOSTS[2])
    job = await here.r.engine.submit(ExpungeVm(vm_id=vm_id), here.r.by)
    row = await here.r.engine.runner.wait(job.id)
    assert row.state is RunState.PARKED, "its disk is in use on a host that nobody thought of"
    await here.look(2)
    await here.r.engine.decide(MendJob(job_id=job.id, way="retry"), here.r.by)
    row = await here.r.engine.runner.wait(job.id)
    assert row.state is RunState.SUCCEEDED, row.error_text
    assert here.copies(vm_id) == []
