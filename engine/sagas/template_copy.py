"""Copying an image into more zones: each gets bytes of its own, or the image is not there."""

from __future__ import annotations

from aggregates.errors import AlreadyExists
from aggregates.image import WORDS, Copy, ImageState
from engine.image_places import (
    duplicate,
    image_row,
    images_of,
    is_simulated,
    on_disk,
    place_for,
)
from engine.images import WORD_OF, look, remove
from engine.intents.iso import CopyIso
from engine.intents.template import CopyTemplate
from engine.saga import Run, Saga
from projections.zone import zones

COPY_S = 24 * 3600.0

copy_template = Saga("template.copy:1", CopyTemplate, "template", lambda ask: ask.template_id)


@copy_template.step
def begin(run: Run[CopyTemplate]) -> list[str]:
    """Answers with where it is copied from, and then with where to."""
    ask, image = run.intent, image_row(run)
    source = image.ready_in(ask.source_zone_id)
    begun = []
    for zone_id in ask.zone_ids:
        there = image.copy_in(zone_id)
        if there is not None and there.state is not ImageState.FAILED:
            zone = run.row(zones, zone_id)
            raise AlreadyExists(
                f"{image.KIND} {image.name} is in zone {zone.name} already ({there.state})"
            )
        run.guard(run.row(zones, zone_id))
        path = source.path
        if not is_simulated(path):
            path = place_for(run.cloud, run.world.home, image.id, image.image_format, zone_id)
        begun.append(Copy(zone_id=zone_id, state=ImageState.COPYING, path=path, job_id=run.id))
    run.change(image, WORDS[ask.NOUN].copy_begun(copies=begun))
    return [source.path, *(copy.path for copy in begun)]


@begin.undo
def give_up(run: Run[CopyTemplate]) -> None:
    """The image is where it was before."""
    image = run.cloud[images_of(run.intent)].get(run.intent.template_id)
    if image is None:
        return
    mine = [copy.zone_id for copy in image.copies if copy.job_id == run.id]
    if mine:
        run.change(image, WORDS[run.intent.NOUN].copies_removed(zone_ids=mine))


@copy_template.step(timeout_s=COPY_S)
async def copy(run: Run[CopyTemplate]) -> None:
    """Copy the bytes, and look at each copy: a disk that lies is found here."""
    source, *targets = run[begin]
    if is_simulated(source):
        return
    image = image_row(run)
    for path in targets:
        place = on_disk(run.world.home, path)
        await duplicate(on_disk(run.world.home, source), place, run.progress)
        await look(place, WORD_OF[image.real_format], image.checksum)


@copy.undo
async def remove_copies(run: Run[CopyTemplate]) -> None:
    for path in run[begin][1:]:
        if not is_simulated(path):
            await remove(on_disk(run.world.home, path))


@copy_template.step(no_undo="nothing comes after it")
def record(run: Run[CopyTemplate]) -> None:
    image = image_row(run)
    run.change(
        image,
        WORDS[run.intent.NOUN].ready(
            real_format=image.real_format,
            size_bytes=image.size_bytes,
            physical_bytes=image.physical_bytes,
            checksum=image.checksum,
            zone_ids=list(run.intent.zone_ids),
        ),
    )


copy_iso = copy_template.twin("iso.copy:1", CopyIso, "iso")
