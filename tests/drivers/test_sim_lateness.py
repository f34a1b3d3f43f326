"""The simulated world refuses a call that comes too late for its key, served here or elsewhere.

No other kind does: see ADR 46.
"""

from __future__ import annotations

from types import ModuleType
from uuid import uuid4

import pytest

from drivers.conformance import Check
from drivers.conformance.checks import Rig, Suite, attachment, is_running, must
from drivers.contract.errors import Refused
from drivers.contract.storage import DiskPlace, DiskSpec
from tests.drivers import harness_sim, harness_sim_remote

SUITE = Suite()

SMALL_BYTES = 16 * 1024**2


@SUITE.promise
async def an_undone_start_is_not_done_again(rig: Rig) -> None:
    """A start that comes after the removal with its key is refused, begun before or not."""
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
    target, spec, session, key = await rig.second_host(), await rig.start(), rig.session, uuid4()
    there, home = rig.harness.second_address(), rig.harness.address()
    assert there is not None
    await rig.within(session.migrate_guest(spec.guest_id, there, key=key))
    await rig.within(target.migrate_guest(spec.guest_id, home, key=uuid4()))
    await rig.refuses(session.migrate_guest(spec.guest_id, there, key=key), Refused)
    must(is_running(await rig.found(spec.guest_id)), "a late move has moved the guest")


@pytest.mark.parametrize("check", SUITE, ids=lambda check: check.name)
@pytest.mark.parametrize("where", [harness_sim, harness_sim_remote], ids=["here", "served"])
async def test_a_late_call_changes_nothing(where: ModuleType, check: Check) -> None:
    async with where.harness() as ready:
        assert await check.run(ready) == ""
