"""Examples of the sagas of sweep."""

from __future__ import annotations

from drivers.contract.compute import GuestSpec, HostAddress
from drivers.contract.storage import DiskSpec, PoolSpec
from engine.intents.finding import SweepDisk, SweepGuest, SweepSnapshot
from engine.intents.snapshot import CreateSnapshot, DeleteSnapshot
from engine.intents.vm import (
    StopVm,
)
from engine.intents.volume import DeleteVolume, DetachVolume
from projections.host import hosts
from projections.vm import vms
from projections.volume import volumes
from tests.sagas.rig import Rig
from tests.sagas.seed import (
    GIB,
    POOL,
    attached_volume,
    named,
    running,
)


async def _sweep_guest(rig: Rig) -> object:
    """A guest that was stopped, and that its host came back with."""
    vm_id = await running(rig)
    host_id = rig.cloud[vms][vm_id].host_id
    assert host_id is not None
    spec = rig.sim.world.residue().guests[0]
    await rig.run(StopVm(vm_id=vm_id))
    session = await rig.sim.connect(HostAddress(url=rig.cloud[hosts][host_id].url))
    again = GuestSpec(
        guest_id=vm_id, name=spec.name, cpu_count=1, cpu_mhz=500, memory_mib=512, disks=()
    )
    await session.start_guest(again, key=named("late"))
    return SweepGuest(finding_id=named("finding"), host_id=host_id, vm_id=vm_id, text="late")


async def _sweep_disk(rig: Rig) -> object:
    """A disk that came late: its volume was deleted before."""
    volume_id = await attached_volume(rig)
    await rig.run(DetachVolume(volume_id=volume_id))
    await rig.run(DeleteVolume(volume_id=volume_id))
    session = await rig.sim.connect(HostAddress(url="sim://host1"))
    disk = DiskSpec(volume_id=volume_id, size_bytes=GIB)
    await session.create_disk(PoolSpec(pool_id=POOL, url="sim://pool"), disk, key=named("late"))
    return SweepDisk(finding_id=named("finding"), pool_id=POOL, volume_id=volume_id, text="late")


async def _sweep_snapshot(rig: Rig) -> object:
    """A snapshot that came late: the log has deleted it before."""
    volume_id, snapshot_id = await attached_volume(rig), named("snapshot")
    await rig.run(CreateSnapshot(snapshot_id=snapshot_id, volume_id=volume_id, name="kept"))
    await rig.run(DeleteSnapshot(snapshot_id=snapshot_id))
    vm_id = rig.cloud[volumes][volume_id].vm_id
    assert vm_id is not None
    host_id = rig.cloud[vms][vm_id].host_id
    assert host_id is not None
    session = await rig.sim.connect(HostAddress(url=rig.cloud[hosts][host_id].url))
    pool = PoolSpec(pool_id=POOL, url="sim://pool")
    await session.snapshot_disk(pool, volume_id, snapshot_id, key=named("late"))
    return SweepSnapshot(
        finding_id=named("finding"), pool_id=POOL, snapshot_id=snapshot_id, text="late"
    )


EXAMPLES = {
    "sweep.snapshot:1": _sweep_snapshot,
    "sweep.guest:1": _sweep_guest,
    "sweep.disk:1": _sweep_disk,
}
