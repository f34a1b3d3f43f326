"""What a driver promises to several controllers: a call that comes too late changes nothing."""

from __future__ import annotations

from uuid import uuid4

from drivers.conformance.checks import Exempt, Rig, Suite, attachment, is_running, must
from drivers.contract.errors import Refused
from drivers.contract.storage import DiskPlace, DiskSpec

SUITE = Suite()

SMALL_BYTES = 16 * 1024**2


def _remembers(rig: Rig) -> None:
    if not rig.capabilities.remembers_keys:
        raise Exempt("the driver says that it remembers no keys")


@SUITE.promise
async def an_undone_start_is_not_done_again(rig: Rig) -> None:
    """A start that comes after the removal with its key is refused, begun before or not."""
    _remembers(rig)
    session = rig.session
    for begun in (True, False):
        spec, key = await rig.guest_spec(), uuid4()
        if begun:
            await rig.within(session.start_guest(spec, key=key))
        await rig.within(session.remove_guest(spec.guest_id, key=key))
        for _ in range(2):
            await rig.refuses(session.start_guest(spec, key=key), Refused)
        must(await rig.copies(spec.guest_id) == 0, "the undone guest is there again")
        await rig.within(session.start_guest(spec, key=uuid4()))
        await rig.refuses(session.start_guest(spec, key=key), Refused)


@SUITE.promise
async def an_undone_disk_is_not_made_again(rig: Rig) -> None:
    """A disk that was removed is neither made nor copied again with the key of its removal."""
    _remembers(rig)
    session, source = rig.session, await rig.disk()
    assert source.volume_id is not None
    place = DiskPlace(pool=rig.pool, disk_id=source.volume_id)
    for begun in (True, False):
        spec, key = rig.disk_spec(SMALL_BYTES, blank=True), uuid4()
        if begun:
            await rig.within(session.create_disk(rig.pool, spec, key=key))
        await rig.within(session.remove_disk(rig.pool, spec.volume_id, key=key))
        await rig.refuses(session.create_disk(rig.pool, spec, key=key), Refused)
        copy = DiskSpec(volume_id=spec.volume_id, size_bytes=source.size_bytes)
        await rig.refuses(session.copy_disk(place, rig.pool, copy, key=key), Refused)
        must(await rig.disk_copies(spec.volume_id) == 0, "the undone disk is there again")
        await rig.within(session.create_disk(rig.pool, spec, key=uuid4()))


@SUITE.promise
async def an_undone_snapshot_is_not_made_again(rig: Rig) -> None:
    """A snapshot that was removed is not made again with the key of its removal."""
    _remembers(rig)
    session, disk = rig.session, await rig.disk()
    assert disk.volume_id is not None
    snapshot_id, key = rig.snapshot_id(), uuid4()
    await rig.within(session.snapshot_disk(rig.pool, disk.volume_id, snapshot_id, key=key))
    await rig.within(session.remove_snapshot(rig.pool, snapshot_id, key=key))
    late = session.snapshot_disk(rig.pool, disk.volume_id, snapshot_id, key=key)
    await rig.refuses(late, Refused)
    found = await rig.within(session.find_snapshot(rig.pool, snapshot_id))
    must(found is None, "the undone snapshot is there again")


@SUITE.promise
async def an_undone_plug_is_not_plugged_again(rig: Rig) -> None:
    """A disk that was unplugged is not plugged again with the key of its unplugging."""
    _remembers(rig)
    spec, session, key = await rig.start(), rig.session, uuid4()
    plug = attachment(await rig.disk(size_bytes=SMALL_BYTES, blank=True), 1)
    await rig.within(session.attach_disk(spec.guest_id, plug, key=key))
    await rig.within(session.detach_disk(spec.guest_id, plug.volume_id, key=key))
    await rig.refuses(session.attach_disk(spec.guest_id, plug, key=key), Refused)
    found = await rig.found(spec.guest_id)
    must(found is not None and plug.path not in found.disks, f"plugged again: {found}")


@SUITE.promise
async def a_late_repeat_is_refused(rig: Rig) -> None:
    """A stop that was done before does not stop the guest again once others have started it."""
    _remembers(rig)
    spec, session, key = await rig.start(), rig.session, uuid4()
    for _ in range(2):
        await rig.within(session.stop_guest(spec.guest_id, grace_s=0, key=key))
        await rig.within(session.remove_guest(spec.guest_id, key=key))
    await rig.start(spec)
    await rig.refuses(session.stop_guest(spec.guest_id, grace_s=0, key=key), Refused)
    await rig.refuses(session.remove_guest(spec.guest_id, key=key), Refused)
    must(is_running(await rig.found(spec.guest_id)), "a late stop has stopped the guest")


@SUITE.promise
async def a_late_move_is_refused(rig: Rig) -> None:
    """A guest that was moved there and back is not moved there again by a late call."""
    _remembers(rig)
    if not rig.capabilities.live_migration:
        raise Exempt("the driver says that it cannot migrate")
    target, spec, session, key = await rig.second_host(), await rig.start(), rig.session, uuid4()
    there, home = rig.harness.second_address(), rig.harness.address()
    assert there is not None
    await rig.within(session.migrate_guest(spec.guest_id, there, key=key))
    await rig.within(target.migrate_guest(spec.guest_id, home, key=uuid4()))
    await rig.refuses(session.migrate_guest(spec.guest_id, there, key=key), Refused)
    must(is_running(await rig.found(spec.guest_id)), "a late move has moved the guest")
