"""What every primary-storage driver promises about pools and disks, one check a promise."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

from drivers.conformance.checks import Exempt, Rig, Suite, must
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import DiskStatus

SUITE = Suite()

SMALL_BYTES = 16 * 1024**2


def _id(disk: DiskStatus) -> UUID:
    must(disk.volume_id is not None, f"a disk of ours has no id: {disk}")
    assert disk.volume_id is not None
    return disk.volume_id


@SUITE.promise
async def pool_opens_twice(rig: Rig) -> None:
    """Opening a pool again changes nothing, and its facts are bytes that make sense."""
    first = await rig.within(rig.session.open_pool(rig.pool))
    again = await rig.within(rig.session.pool_facts(rig.pool))
    must(first.capacity_bytes == again.capacity_bytes > 0, f"{first} then {again}")
    must(0 <= again.used_bytes <= again.capacity_bytes, f"not plausible: {again}")


@SUITE.promise
async def blank_disk_has_its_size(rig: Rig) -> None:
    """A blank disk is found and listed with the size that was asked for."""
    disk = await rig.disk(size_bytes=SMALL_BYTES, blank=True)
    small = rig.sized(SMALL_BYTES)
    must(disk.size_bytes == small, f"{disk}")
    found = await rig.within(rig.session.find_disk(rig.pool, _id(disk)))
    must(found is not None and found.size_bytes == small, f"found {found}")
    must(found is not None and found.path == disk.path, f"told {disk}, found {found}")
    must(await rig.disk_copies(_id(disk)) == 1, "not exactly one disk of this id")


@SUITE.promise
async def create_twice_is_once(rig: Rig) -> None:
    """The same id again answers with the disk that is there, whatever the key and the size."""
    spec, key = rig.disk_spec(SMALL_BYTES, blank=True), uuid4()
    first = await rig.within(rig.session.create_disk(rig.pool, spec, key=key))
    larger = replace(spec, size_bytes=2 * SMALL_BYTES)
    for again, with_key in ((spec, key), (spec, uuid4()), (larger, key)):
        told = await rig.within(rig.session.create_disk(rig.pool, again, key=with_key))
        must(told.path == first.path and told.size_bytes == first.size_bytes, f"told {told}")
    must(await rig.disk_copies(spec.volume_id) == 1, "not exactly one disk of this id")


@SUITE.promise
async def creates_side_by_side_are_one(rig: Rig) -> None:
    """The same clone asked for twice at once, its image not cached yet perhaps, is one disk."""
    spec, key = rig.disk_spec(rig.harness.image().virtual_bytes), uuid4()
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(
                rig.until_known(lambda: rig.session.create_disk(rig.pool, spec, key=key)),
                name="create",
            )
    must(await rig.disk_copies(spec.volume_id) == 1, "not exactly one disk of this id")


@SUITE.promise
async def image_is_kept_once(rig: Rig) -> None:
    """An image is brought into a pool once, is no disk there, and has one path for ever."""
    image, before = rig.harness.image(), await rig.within(rig.session.list_disks(rig.pool))
    keep = rig.session.keep_image
    paths = {await rig.within(keep(rig.pool, image, key=uuid4())) for _ in range(2)}
    must(len(paths) == 1 and "" not in paths, f"told {paths}")
    after = await rig.within(rig.session.list_disks(rig.pool))
    must({one.path for one in after} == {one.path for one in before}, f"listed: {after}")


@SUITE.promise
async def an_image_stays_while_a_disk_rests_on_it(rig: Rig) -> None:
    """It is dropped once nothing needs it, dropping it again is success, and it can come back.

    Where disks stand alone it may go at once, and a guest starts without it.
    """
    image, session = rig.harness.image(), rig.session
    disk = await rig.disk(size_bytes=image.virtual_bytes)
    must(image.image_id in await rig.within(session.list_images(rig.pool)), "it is not listed")
    went = await rig.within(session.drop_image(rig.pool, image.image_id, key=uuid4()))
    listed = image.image_id in await rig.within(session.list_images(rig.pool))
    must(listed != went, "told that it went, and it is there; or that it stays, and it went")
    if went:
        await rig.start(rig.spec_on(disk))
        return
    for one in await rig.within(session.list_disks(rig.pool)):
        if one.volume_id is not None:
            await rig.within(session.remove_disk(rig.pool, one.volume_id, key=uuid4()))
    must(await rig.disk_copies(_id(disk)) == 0, "the disk is there still")
    for _ in range(2):
        went = await rig.within(session.drop_image(rig.pool, image.image_id, key=uuid4()))
        must(went, "an image stays that nothing rests on")
    must(image.image_id not in await rig.within(session.list_images(rig.pool)), "it is there")
    await rig.disk(size_bytes=image.virtual_bytes)


@SUITE.promise
async def what_is_not_thin_stands_alone(rig: Rig) -> None:
    """A sparse or fat disk has the size asked for, and needs its image no longer."""
    image, session = rig.harness.image(), rig.session
    for provisioning in ("sparse", "fat"):
        for blank in (True, False):
            spec = rig.disk_spec(image.virtual_bytes + SMALL_BYTES, blank=blank)
            spec = replace(spec, provisioning=provisioning)
            disk = await rig.within(session.create_disk(rig.pool, spec, key=uuid4()))
            must(disk.size_bytes == rig.sized(spec.size_bytes), f"{provisioning}: {disk}")
    for one in await rig.within(session.list_disks(rig.pool)):
        if one.volume_id not in (None, spec.volume_id):
            await rig.within(session.remove_disk(rig.pool, one.volume_id, key=uuid4()))
    went = await rig.within(session.drop_image(rig.pool, image.image_id, key=uuid4()))
    must(went, "a disk that is laid out rests on its image")
    await rig.start(rig.spec_on(disk))


@SUITE.promise
async def clone_is_as_large_as_its_image(rig: Rig) -> None:
    """A clone has the size asked for, and never less than its image."""
    image = rig.harness.image()
    for size_bytes in (image.virtual_bytes, image.virtual_bytes + SMALL_BYTES):
        disk = await rig.disk(size_bytes=size_bytes)
        must(disk.size_bytes == rig.sized(size_bytes), f"asked for {size_bytes}: {disk}")
    smaller = rig.disk_spec(image.virtual_bytes // 2)
    try:
        disk = await rig.within(rig.session.create_disk(rig.pool, smaller, key=uuid4()))
    except Refused:
        return
    must(disk.size_bytes >= image.virtual_bytes, f"a clone was cut short: {disk}")


@SUITE.promise
async def broken_image_is_refused(rig: Rig) -> None:
    """What is no image makes no disk, and nothing is left under the disk's name."""
    image = rig.harness.broken_image()
    if image is None:
        raise Exempt("the backend never looks into an image")
    spec = replace(rig.disk_spec(SMALL_BYTES), image=image)
    await rig.refuses(rig.session.create_disk(rig.pool, spec, key=uuid4()), Refused)
    must(await rig.disk_copies(spec.volume_id) == 0, "a disk was made of a broken image")


@SUITE.promise
async def disk_beyond_the_pool_fails(rig: Rig) -> None:
    """A disk larger than the whole pool is Refused or Unavailable, and nothing is left of it."""
    facts = await rig.within(rig.session.pool_facts(rig.pool))
    spec = rig.disk_spec(facts.capacity_bytes * 4, blank=True)
    await rig.refuses(rig.session.create_disk(rig.pool, spec, key=uuid4()), Refused, Unavailable)
    must(await rig.disk_copies(spec.volume_id) == 0, "the impossible disk is listed")


@SUITE.promise
async def disk_grows(rig: Rig) -> None:
    """A disk grows, and growing it to the size that it has is success."""
    disk = await rig.disk(size_bytes=SMALL_BYTES, blank=True)
    grown = 2 * disk.size_bytes
    for _ in range(2):
        told = await rig.within(
            rig.session.resize_disk(rig.pool, _id(disk), size_bytes=grown, key=uuid4())
        )
        must(told.size_bytes == grown, f"told {told}")


@SUITE.promise
async def shrink_is_refused(rig: Rig) -> None:
    """A disk never shrinks, and a refused shrink changes nothing."""
    large = 2 * rig.sized(SMALL_BYTES)
    disk = await rig.disk(size_bytes=large, blank=True)
    await rig.refuses(
        rig.session.resize_disk(rig.pool, _id(disk), size_bytes=large // 2, key=uuid4()),
        Refused,
    )
    found = await rig.within(rig.session.find_disk(rig.pool, _id(disk)))
    must(found is not None and found.size_bytes == large, f"found {found}")


@SUITE.promise
async def resize_of_what_is_not_there_is_refused(rig: Rig) -> None:
    """There is nothing to grow, and that will not change."""
    resize = rig.session.resize_disk(rig.pool, uuid4(), size_bytes=SMALL_BYTES, key=uuid4())
    await rig.refuses(resize, Refused)


@SUITE.promise
async def remove_disk_twice(rig: Rig) -> None:
    """A removed disk is gone, and removing it again, or what never was, is success."""
    disk, key = await rig.disk(size_bytes=SMALL_BYTES, blank=True), uuid4()
    for _ in range(2):
        await rig.within(rig.session.remove_disk(rig.pool, _id(disk), key=key))
    must(await rig.session.find_disk(rig.pool, _id(disk)) is None, "the removed disk is found")
    must(await rig.disk_copies(_id(disk)) == 0, "the removed disk is listed")
    await rig.within(rig.session.remove_disk(rig.pool, uuid4(), key=uuid4()))


@SUITE.promise
async def used_disk_is_not_removed(rig: Rig) -> None:
    """The disk of a running guest stays; once the guest is removed it can go."""
    disk = await rig.disk()
    spec = await rig.start(rig.spec_on(disk))
    await rig.refuses(rig.session.remove_disk(rig.pool, _id(disk), key=uuid4()), Refused)
    must(await rig.disk_copies(_id(disk)) == 1, "the used disk is gone")
    await rig.within(rig.session.remove_guest(spec.guest_id, key=uuid4()))
    await rig.within(rig.session.remove_disk(rig.pool, _id(disk), key=uuid4()))
    must(await rig.disk_copies(_id(disk)) == 0, "the removed disk is listed")


@SUITE.promise
async def listing_names_disks_only(rig: Rig) -> None:
    """Every disk of ours is listed by its id, and the image that they were cloned from is not."""
    image_id = rig.harness.image().image_id
    before = await rig.within(rig.session.list_disks(rig.pool))
    disks = [await rig.disk() for _ in range(2)]
    listed = await rig.within(rig.session.list_disks(rig.pool))
    new = {disk.path for disk in listed} - {disk.path for disk in before}
    must(new == {disk.path for disk in disks}, f"the listing grew by {sorted(new)}")
    must({disk.volume_id for disk in disks} <= {disk.volume_id for disk in listed}, "no ids")
    must(image_id not in {disk.volume_id for disk in listed}, "a cached image is listed")


@SUITE.promise
async def unknown_disk_is_none(rig: Rig) -> None:
    """A disk that is not there is None, not an error."""
    must(await rig.within(rig.session.find_disk(rig.pool, uuid4())) is None, "found a disk")


@SUITE.promise
async def cancelled_create_ends_well(rig: Rig) -> None:
    """A clone that was cancelled anywhere is finished by the same key, and undone by it."""
    session, key = rig.session, uuid4()
    for delay_s in (0.0, 0.01, 0.05):
        spec = rig.disk_spec(rig.harness.image().virtual_bytes)
        await rig.cancelled(session.create_disk(rig.pool, spec, key=key), after_s=delay_s)
        told = await rig.until_known(partial(session.create_disk, rig.pool, spec, key=key))
        must(told.size_bytes == rig.sized(spec.size_bytes), f"told {told}")
        must(await rig.disk_copies(spec.volume_id) == 1, "not exactly one disk of this id")
        await rig.within(session.remove_disk(rig.pool, spec.volume_id, key=key))
        must(await rig.disk_copies(spec.volume_id) == 0, "the undone disk is listed")
