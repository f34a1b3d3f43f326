"""What every hypervisor driver promises about snapshots of whole guests."""

from __future__ import annotations

from uuid import uuid4

from drivers.conformance.checks import Exempt, Rig, Suite, attachment, is_running, must
from drivers.contract.errors import Refused

SUITE = Suite()


def _need(rig: Rig) -> None:
    if not rig.capabilities.guest_snapshots:
        raise Exempt("the driver says that it keeps no snapshots of whole guests")


@SUITE.promise
async def a_running_guest_goes_back(rig: Rig) -> None:
    """All disks of a running guest go back to one moment, and the guest runs on from there."""
    _need(rig)
    disks = [await rig.disk(), await rig.disk(size_bytes=16 * 1024**2, blank=True)]
    held = tuple(attachment(disk, device) for device, disk in enumerate(disks))
    spec = await rig.start(rig.spec_on(*disks))
    for disk in disks:
        await rig.harness.write_in_guest(spec.guest_id, disk.path, 1)
    first, session = uuid4(), rig.session
    ask = (spec.guest_id, first, held)
    for _ in range(2):
        await rig.within(session.snapshot_guest(*ask, with_memory=True, key=uuid4()))
    for disk in disks:
        await rig.harness.write_in_guest(spec.guest_id, disk.path, 2)
    await rig.within(session.revert_guest(*ask, with_memory=True, key=uuid4()))
    must(is_running(await rig.found(spec.guest_id)), "the guest does not run on")
    await rig.within(session.stop_guest(spec.guest_id, grace_s=0, key=uuid4()))
    await rig.within(session.remove_guest(spec.guest_id, key=uuid4()))
    for disk in disks:
        must(await rig.harness.read(disk.path) == 1, f"{disk.path} did not go back")


@SUITE.promise
async def disks_of_a_guest_that_is_off_go_back(rig: Rig) -> None:
    """What was written since is gone when the disks of a guest that is off go back."""
    _need(rig)
    disk = await rig.disk()
    ask = (uuid4(), uuid4(), (attachment(disk, 0),))
    session = rig.session
    await rig.harness.write(disk.path, 1)
    for _ in range(2):
        await rig.within(session.snapshot_guest(*ask, with_memory=False, key=uuid4()))
    await rig.harness.write(disk.path, 2)
    for _ in range(2):
        await rig.within(session.revert_guest(*ask, with_memory=False, key=uuid4()))
    must(await rig.harness.read(disk.path) == 1, "the disk did not go back")


@SUITE.promise
async def disks_of_a_running_guest_go_back_once_it_is_off(rig: Rig) -> None:
    """All disks of a guest that runs are kept at one moment, and are that again when it is off."""
    _need(rig)
    if not rig.capabilities.disk_snapshots_alive:
        raise Exempt("the driver says that it keeps a running guest with its memory only")
    disks = [await rig.disk(), await rig.disk(size_bytes=16 * 1024**2, blank=True)]
    held = tuple(attachment(disk, device) for device, disk in enumerate(disks))
    spec, session = await rig.start(rig.spec_on(*disks)), rig.session
    for disk in disks:
        await rig.harness.write_in_guest(spec.guest_id, disk.path, 1)
    ask, other = (spec.guest_id, uuid4(), held), (spec.guest_id, uuid4(), held)
    for _ in range(2):
        await rig.within(session.snapshot_guest(*ask, with_memory=False, key=uuid4()))
    must(is_running(await rig.found(spec.guest_id)), "the guest does not run on")
    for disk in disks:
        await rig.harness.write_in_guest(spec.guest_id, disk.path, 2)
    await rig.within(session.snapshot_guest(*other, with_memory=False, key=uuid4()))
    for _ in range(2):
        await rig.within(session.forget_snapshot(*other, key=uuid4()))
    await rig.within(session.remove_guest(spec.guest_id, key=uuid4()))
    await rig.refuses(session.revert_guest(*other, with_memory=False, key=uuid4()), Refused)
    await rig.within(session.revert_guest(*ask, with_memory=False, key=uuid4()))
    for disk in disks:
        must(await rig.harness.read(disk.path) == 1, f"{disk.path} did not go back")


@SUITE.promise
async def what_is_forgotten_is_refused(rig: Rig) -> None:
    """A snapshot that was forgotten, alive or off, cannot be returned to; twice is success."""
    _need(rig)
    disk = await rig.disk()
    held, session = (attachment(disk, 0),), rig.session
    spec = await rig.start(rig.spec_on(disk))
    alive, off = uuid4(), uuid4()
    await rig.within(
        session.snapshot_guest(spec.guest_id, alive, held, with_memory=True, key=uuid4())
    )
    for _ in range(2):
        await rig.within(session.forget_snapshot(spec.guest_id, alive, held, key=uuid4()))
    gone = session.revert_guest(spec.guest_id, alive, held, with_memory=True, key=uuid4())
    await rig.refuses(gone, Refused)
    await rig.within(session.remove_guest(spec.guest_id, key=uuid4()))
    await rig.within(
        session.snapshot_guest(spec.guest_id, off, held, with_memory=False, key=uuid4())
    )
    for _ in range(2):
        await rig.within(session.forget_snapshot(spec.guest_id, off, held, key=uuid4()))
    gone = session.revert_guest(spec.guest_id, off, held, with_memory=False, key=uuid4())
    await rig.refuses(gone, Refused)


@SUITE.promise
async def memory_needs_a_running_guest(rig: Rig) -> None:
    """The memory of a guest that is not there is not kept."""
    _need(rig)
    disk = await rig.disk()
    keep = rig.session.snapshot_guest(
        uuid4(), uuid4(), (attachment(disk, 0),), with_memory=True, key=uuid4()
    )
    await rig.refuses(keep, Refused)
