"""What every hypervisor driver promises about plugging, watching and moving a running guest."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from drivers.conformance.checks import Exempt, Rig, Suite, attachment, is_running, must
from drivers.contract.compute import DiskLimits, DiskMove
from drivers.contract.errors import Refused

SUITE = Suite()


@SUITE.promise
async def disk_hot_plug(rig: Rig) -> None:
    """A disk is attached and detached, and each of them twice is once."""
    if not rig.capabilities.disk_hot_plug:
        raise Exempt("the driver says that it cannot plug disks")
    spec = await rig.start()
    data = await rig.disk(size_bytes=16 * 1024**2, blank=True)
    plug, session = attachment(data, 1), rig.session
    for _ in range(2):
        await rig.within(session.attach_disk(spec.guest_id, plug, key=uuid4()))
    found = await rig.found(spec.guest_id)
    must(found is not None and found.disks.count(data.path) == 1, f"attached: {found}")
    await asyncio.sleep(rig.harness.grace_s)
    for _ in range(2):
        await rig.until_known(
            lambda: session.detach_disk(spec.guest_id, plug.volume_id, key=uuid4())
        )
    found = await rig.found(spec.guest_id)
    must(found is not None and data.path not in found.disks, f"detached: {found}")
    await rig.within(session.remove_disk(rig.pool, plug.volume_id, key=uuid4()))


@SUITE.promise
async def limits_reach_a_running_guest(rig: Rig) -> None:
    """A disk is limited, and let go of again; a guest that is off is told at its start."""
    spec, session = await rig.start(), rig.session
    volume_id = spec.disks[0].volume_id
    for limits in (DiskLimits(total_iops=500), DiskLimits(read_bytes=1 << 20), DiskLimits()):
        for _ in range(2):
            limit = session.limit_disk(spec.guest_id, volume_id, limits, key=uuid4())
            await rig.within(limit)
    must(is_running(await rig.found(spec.guest_id)), "the guest did not survive its limits")
    strange = session.limit_disk(spec.guest_id, uuid4(), DiskLimits(), key=uuid4())
    await rig.refuses(strange, Refused)
    await rig.within(session.limit_disk(uuid4(), volume_id, DiskLimits(), key=uuid4()))


@SUITE.promise
async def nic_hot_plug(rig: Rig) -> None:
    """A network card is attached and detached, and each of them twice is success."""
    if not rig.capabilities.nic_hot_plug:
        raise Exempt("the driver says that it cannot plug network cards")
    spec, nic, session = await rig.start(), rig.nic(), rig.session
    for _ in range(2):
        await rig.within(session.attach_nic(spec.guest_id, nic, key=uuid4()))
    await asyncio.sleep(rig.harness.grace_s)
    for _ in range(2):
        await rig.until_known(lambda: session.detach_nic(spec.guest_id, nic.nic_id, key=uuid4()))
    must(is_running(await rig.found(spec.guest_id)), "the guest did not survive its plugs")


@SUITE.promise
async def plugs_need_a_running_guest(rig: Rig) -> None:
    """Nothing is attached to a guest that is not there; detaching from it is success."""
    data = attachment(await rig.disk(size_bytes=16 * 1024**2, blank=True), 1)
    nic, session, gone = rig.nic(), rig.session, uuid4()
    if rig.capabilities.disk_hot_plug:
        await rig.refuses(session.attach_disk(gone, data, key=uuid4()), Refused)
        await rig.within(session.detach_disk(gone, data.volume_id, key=uuid4()))
    if rig.capabilities.nic_hot_plug:
        await rig.refuses(session.attach_nic(gone, nic, key=uuid4()), Refused)
        await rig.within(session.detach_nic(gone, nic.nic_id, key=uuid4()))
    if not (rig.capabilities.disk_hot_plug or rig.capabilities.nic_hot_plug):
        raise Exempt("the driver says that it cannot plug anything")


@SUITE.promise
async def console_only_while_running(rig: Rig) -> None:
    """A running guest has a console; one that is off or gone refuses."""
    spec = await rig.start()
    await rig.within(rig.session.console(spec.guest_id))
    await rig.within(rig.session.stop_guest(spec.guest_id, grace_s=0, key=uuid4()))
    for guest_id in (spec.guest_id, uuid4()):
        await rig.refuses(rig.session.console(guest_id), Refused)


@SUITE.promise
async def migration_leaves_one_copy(rig: Rig) -> None:
    """A migrated guest runs at the target and is gone at the source, and again is success."""
    if not rig.capabilities.live_migration:
        raise Exempt("the driver says that it cannot migrate")
    target, spec = await rig.second_host(), await rig.start()
    address, key = rig.harness.second_address(), uuid4()
    assert address is not None
    for _ in range(2):
        await rig.within(rig.session.migrate_guest(spec.guest_id, address, key=key))
        must(is_running(await target.find_guest(spec.guest_id)), "it does not run at the target")
        must(await rig.copies(spec.guest_id) == 0, "a copy stayed at the source")
        must(await rig.copies(spec.guest_id, target) == 1, "not exactly one copy at the target")


@SUITE.promise
async def migration_of_what_is_off_is_refused(rig: Rig) -> None:
    """Only a running guest migrates."""
    if not rig.capabilities.live_migration:
        raise Exempt("the driver says that it cannot migrate")
    await rig.second_host()
    address = rig.harness.second_address()
    assert address is not None
    await rig.refuses(rig.session.migrate_guest(uuid4(), address, key=uuid4()), Refused)


@SUITE.promise
async def disks_go_along_with_their_guest(rig: Rig) -> None:
    """A guest goes on at the target from a copy in another pool, which holds what its disk held."""
    if not rig.capabilities.storage_migration:
        raise Exempt("the driver says that disks stay where they are when a guest migrates")
    target, disk = await rig.second_host(), await rig.disk()
    spec = await rig.start(rig.spec_on(disk))
    await rig.harness.write_in_guest(spec.guest_id, disk.path, 7)
    address, pool, key = rig.harness.second_address(), rig.harness.second_pool(), uuid4()
    assert address is not None and disk.volume_id is not None
    move = DiskMove(volume_id=disk.volume_id, pool=pool, size_bytes=disk.size_bytes)
    await rig.within(target.open_pool(pool))
    try:
        for _ in range(2):
            await rig.within(
                rig.session.migrate_guest(spec.guest_id, address, key=key, moves=(move,))
            )
        there = await rig.within(target.find_guest(spec.guest_id))
        copy = await rig.within(target.find_disk(pool, disk.volume_id))
        must(is_running(there), "it does not run at the target")
        assert there is not None
        must(copy is not None and copy.path in there.disks, f"it runs from {there.disks}")
        assert copy is not None
        await rig.within(target.stop_guest(spec.guest_id, grace_s=0, key=uuid4()))
        await rig.within(target.remove_guest(spec.guest_id, key=uuid4()))
        must(await rig.harness.read(copy.path) == 7, "the copy does not hold what the disk held")
    finally:
        await rig.within(target.remove_guest(spec.guest_id, key=uuid4()))
        await rig.within(target.remove_disk(pool, disk.volume_id, key=uuid4()))
