"""What every driver that keeps snapshots promises about copies of disks, one check a promise."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

from drivers.conformance.checks import Exempt, Rig, Suite, must
from drivers.conformance.storage import SMALL_BYTES
from drivers.contract.errors import Refused
from drivers.contract.storage import DiskPlace, DiskStatus, ImageSource

SUITE = Suite()


def _id(one: UUID | None) -> UUID:
    must(one is not None, "something of ours has no id")
    assert one is not None
    return one


async def _written(rig: Rig, byte: int) -> DiskStatus:
    """A blank disk that begins with this byte."""
    _able(rig)
    disk = await rig.disk(size_bytes=SMALL_BYTES, blank=True)
    await rig.harness.write(disk.path, byte)
    return disk


def _able(rig: Rig) -> None:
    if not rig.capabilities.snapshots:
        raise Exempt("the driver keeps no snapshots, and says so")


async def _reads(rig: Rig, path: str, byte: int) -> None:
    found = await rig.harness.read(path)
    must(found == byte, f"{path} begins with {found}, not {byte}")


@SUITE.promise
async def snapshot_keeps_what_was(rig: Rig) -> None:
    """A snapshot holds what the disk held, whatever is written to the disk afterwards."""
    disk = await _written(rig, 11)
    kept = await rig.snapshot(disk)
    must(kept.size_bytes == disk.size_bytes, f"{kept} of {disk}")
    await rig.harness.write(disk.path, 12)
    await _reads(rig, kept.path, 11)
    await _reads(rig, disk.path, 12)


@SUITE.promise
async def snapshot_twice_is_once(rig: Rig) -> None:
    """The same id again answers with what was kept the first time, whatever the key."""
    disk, key, snapshot_id = await _written(rig, 21), uuid4(), rig.snapshot_id()
    keep = rig.session.snapshot_disk
    first = await rig.within(keep(rig.pool, _id(disk.volume_id), snapshot_id, key=key))
    await rig.harness.write(disk.path, 22)
    for again in (key, uuid4()):
        told = await rig.within(keep(rig.pool, _id(disk.volume_id), snapshot_id, key=again))
        must(told.path == first.path, f"told {told}")
    await _reads(rig, first.path, 21)
    listed = await rig.within(rig.session.list_snapshots(rig.pool))
    must(sum(one.snapshot_id == snapshot_id for one in listed) == 1, "not exactly one is listed")


@SUITE.promise
async def snapshot_of_a_running_guest(rig: Rig) -> None:
    """A guest that uses the disk runs on, from the very disk that it had."""
    disk = await _written(rig, 31)
    root = await rig.disk()
    spec = await rig.start(rig.spec_on(root, disk))
    await rig.harness.write_in_guest(spec.guest_id, disk.path, 32)
    kept = await rig.snapshot(disk)
    await rig.harness.write_in_guest(spec.guest_id, disk.path, 33)
    found = await rig.found(spec.guest_id)
    must(found is not None and disk.path in found.disks, f"the guest has {found}")
    await rig.within(rig.session.remove_guest(spec.guest_id, key=uuid4()))
    await _reads(rig, kept.path, 32)
    await _reads(rig, disk.path, 33)


@SUITE.promise
async def snapshots_are_no_disks(rig: Rig) -> None:
    """A snapshot is listed as such and never as a disk, and outlives its disk."""
    disk = await _written(rig, 41)
    kept = await rig.snapshot(disk)
    listed = await rig.within(rig.session.list_disks(rig.pool))
    must(kept.path not in {one.path for one in listed}, "it is listed as a disk")
    await rig.within(rig.session.remove_disk(rig.pool, _id(disk.volume_id), key=uuid4()))
    found = await rig.within(rig.session.find_snapshot(rig.pool, _id(kept.snapshot_id)))
    must(found == kept, f"found {found}")
    await _reads(rig, kept.path, 41)


@SUITE.promise
async def remove_snapshot_twice(rig: Rig) -> None:
    """A removed snapshot is gone; removing it again, or what never was, is success."""
    kept = await rig.snapshot(await _written(rig, 51))
    snapshot_id = _id(kept.snapshot_id)
    for one in (snapshot_id, snapshot_id, uuid4()):
        await rig.within(rig.session.remove_snapshot(rig.pool, one, key=uuid4()))
    must(await rig.session.find_snapshot(rig.pool, snapshot_id) is None, "it is found")
    listed = await rig.within(rig.session.list_snapshots(rig.pool))
    must(snapshot_id not in {one.snapshot_id for one in listed}, "it is listed")


@SUITE.promise
async def snapshot_of_nothing_is_refused(rig: Rig) -> None:
    """There is no such disk, and that will not change."""
    _able(rig)
    keep = rig.session.snapshot_disk(rig.pool, uuid4(), rig.snapshot_id(), key=uuid4())
    await rig.refuses(keep, Refused)


@SUITE.promise
async def revert_brings_back(rig: Rig) -> None:
    """A reverted disk holds what the snapshot holds, twice over, and never shrinks."""
    disk = await _written(rig, 61)
    kept, volume_id, key = await rig.snapshot(disk), _id(disk.volume_id), uuid4()
    grown = 2 * disk.size_bytes
    await rig.within(rig.session.resize_disk(rig.pool, volume_id, size_bytes=grown, key=key))
    await rig.harness.write(disk.path, 62)
    for _ in range(2):
        revert = rig.session.revert_disk(rig.pool, volume_id, _id(kept.snapshot_id), key=key)
        told = await rig.within(revert)
        must(told.path == disk.path and told.size_bytes == grown, f"told {told}")
        await _reads(rig, disk.path, 61)
    await _reads(rig, kept.path, 61)


@SUITE.promise
async def revert_of_a_used_disk_is_refused(rig: Rig) -> None:
    """A disk is not changed under a running guest."""
    disk = await _written(rig, 71)
    kept = await rig.snapshot(disk)
    await rig.start(rig.spec_on(await rig.disk(), disk))
    revert = rig.session.revert_disk
    await rig.refuses(
        revert(rig.pool, _id(disk.volume_id), _id(kept.snapshot_id), key=uuid4()), Refused
    )


@SUITE.promise
async def copy_stands_alone(rig: Rig) -> None:
    """A disk made of a snapshot or of a disk, in any pool, needs its source no more."""
    disk = await _written(rig, 81)
    kept = await rig.snapshot(disk)
    places = (
        (DiskPlace(pool=rig.pool, disk_id=_id(kept.snapshot_id), is_snapshot=True), rig.pool),
        (DiskPlace(pool=rig.pool, disk_id=_id(disk.volume_id)), rig.harness.second_pool()),
    )
    made = []
    for source, pool in places:
        spec, key = rig.disk_spec(2 * disk.size_bytes, blank=True), uuid4()
        for _ in range(2):
            told = await rig.within(rig.session.copy_disk(source, pool, spec, key=key))
            must(told.volume_id == spec.volume_id, f"told {told}")
            must(told.size_bytes == 2 * disk.size_bytes, f"told {told}")
        made.append(told)
    await rig.within(rig.session.remove_disk(rig.pool, _id(disk.volume_id), key=uuid4()))
    await rig.within(rig.session.remove_snapshot(rig.pool, _id(kept.snapshot_id), key=uuid4()))
    for one in made:
        await _reads(rig, one.path, 81)


@SUITE.promise
async def copy_is_never_cut_short(rig: Rig) -> None:
    """A copy that is asked to be smaller than its source is as large as that."""
    disk = await _written(rig, 91)
    source = DiskPlace(pool=rig.pool, disk_id=_id(disk.volume_id))
    spec = rig.disk_spec(SMALL_BYTES // 2, blank=True)
    told = await rig.within(rig.session.copy_disk(source, rig.pool, spec, key=uuid4()))
    must(told.size_bytes == disk.size_bytes, f"told {told}")


@SUITE.promise
async def a_running_guests_disk_moves(rig: Rig) -> None:
    """The guest goes on from the new pool, with all that it wrote, and lets the old disk go."""
    if not rig.capabilities.live_disk_move:
        raise Exempt("the driver moves no disk of a running guest, and says so")
    disk, second = await _written(rig, 101), rig.harness.second_pool()
    volume_id = _id(disk.volume_id)
    spec = await rig.start(rig.spec_on(await rig.disk(), disk))
    await rig.harness.write_in_guest(spec.guest_id, disk.path, 102)
    key = uuid4()
    for _ in range(2):
        move = rig.session.move_disk(spec.guest_id, volume_id, second, key=key)
        told = await rig.within(move)
    found = await rig.found(spec.guest_id)
    must(found is not None and told.path in found.disks, f"the guest has {found}")
    must(found is not None and disk.path not in found.disks, f"the guest has {found}")
    await rig.within(rig.session.remove_disk(rig.pool, volume_id, key=uuid4()))
    await rig.refuses(rig.session.remove_disk(second, volume_id, key=uuid4()), Refused)
    await rig.harness.write_in_guest(spec.guest_id, told.path, 103)
    await rig.within(rig.session.remove_guest(spec.guest_id, key=uuid4()))
    await _reads(rig, told.path, 103)


@SUITE.promise
async def cancelled_move_ends_well(rig: Rig) -> None:
    """A move that was cancelled anywhere can be asked for again, and loses nothing."""
    if not rig.capabilities.live_disk_move:
        raise Exempt("the driver moves no disk of a running guest, and says so")
    disk, second = await _written(rig, 111), rig.harness.second_pool()
    volume_id, key = _id(disk.volume_id), uuid4()
    spec = await rig.start(rig.spec_on(await rig.disk(), disk))
    move = rig.session.move_disk
    for after_s in (0.0, 0.05, 0.2):
        await rig.cancelled(move(spec.guest_id, volume_id, second, key=key), after_s=after_s)
        found = await rig.found(spec.guest_id)
        must(found is not None, "the guest is gone")
        if found is not None and disk.path in found.disks:
            listed = await rig.within(rig.session.list_disks(second))
            must(volume_id not in {one.volume_id for one in listed}, "a half copy is listed")
    told = await rig.until_known(lambda: move(spec.guest_id, volume_id, second, key=key))
    await rig.within(rig.session.remove_guest(spec.guest_id, key=uuid4()))
    await _reads(rig, told.path, 111)


@SUITE.promise
async def export_and_import(rig: Rig) -> None:
    """What is exported can be imported, and then holds the same and stands alone."""
    disk = await _written(rig, 121)
    kept = await rig.snapshot(disk)
    sources = (
        DiskPlace(pool=rig.pool, disk_id=_id(disk.volume_id)),
        DiskPlace(pool=rig.pool, disk_id=_id(kept.snapshot_id), is_snapshot=True),
    )
    for source in sources:
        path = rig.harness.scratch()
        for _ in range(2):
            facts = await rig.within(rig.session.export_disk(source, path, key=uuid4()))
            must(facts.virtual_bytes == disk.size_bytes and facts.file_bytes > 0, f"told {facts}")
        image = ImageSource(
            image_id=uuid4(),
            path=path,
            image_format=facts.image_format,
            virtual_bytes=facts.virtual_bytes,
        )
        spec = replace(rig.disk_spec(SMALL_BYTES, blank=True), image=image)
        for _ in range(2):
            told = await rig.within(rig.session.import_disk(rig.pool, spec, key=uuid4()))
            must(told.size_bytes == disk.size_bytes, f"told {told}")
        await _reads(rig, told.path, 121)


@SUITE.promise
async def import_of_a_broken_image_is_refused(rig: Rig) -> None:
    """What is no image makes no disk, and nothing is left under the disk's name."""
    image = rig.harness.broken_image()
    if image is None:
        raise Exempt("the backend never looks into an image")
    spec = replace(rig.disk_spec(SMALL_BYTES, blank=True), image=image)
    await rig.refuses(rig.session.import_disk(rig.pool, spec, key=uuid4()), Refused)
    must(await rig.disk_copies(spec.volume_id) == 0, "a disk was made of a broken image")
