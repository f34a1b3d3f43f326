"""Moving an image between stores of a zone: the old copy serves until the new one is whole."""

from __future__ import annotations

from msgspec.structs import replace

from aggregates.errors import NotAllowed
from aggregates.image import WORDS, Copy, Image
from engine.image_places import (
    duplicate,
    folder_of_store,
    image_row,
    images_of,
    on_disk,
    place_in,
)
from engine.images import WORD_OF, look, remove
from engine.intents.iso import MoveIso
from engine.intents.template import MoveTemplate
from engine.saga import Run, Saga
from projections.image_store import image_stores

COPY_S = 24 * 3600.0

move_template = Saga("template.move:1", MoveTemplate, "template", lambda ask: ask.template_id)


def _mine(run: Run[MoveTemplate]) -> tuple[Image, Copy] | None:
    """The copy that this run moves, if it is there still and nothing else has it."""
    image = run.cloud[images_of(run.intent)].get(run.intent.template_id)
    own = None if image is None else image.copy_of(run.intent.zone_id)
    return None if image is None or own is None or own.job_id != run.id else (image, own)


@move_template.step
def begin(run: Run[MoveTemplate]) -> tuple[str, str]:
    """Take the copy; answers with where it lies, and where it shall lie."""
    ask, image = run.intent, image_row(run)
    own, store = image.copy_of(ask.zone_id), run.row(image_stores, ask.store_id)
    if own is None or not own.is_ready or own.job_id is not None:
        state = "not there" if own is None else own.state
        raise NotAllowed(f"{image.KIND} {image.name} is {state}, or a job has it: wait for that")
    folder = folder_of_store(store)
    if store.read_only or folder is None or store.zone_id != ask.zone_id:
        raise NotAllowed(f"image store {store.name} takes no new images of that zone: use another")
    run.guard(store)
    name = f"{image.id}.{image.image_format.lower()}"
    path = place_in(folder, run.world.home, ask.zone_id, name)
    if path == own.path:
        raise NotAllowed(f"{image.KIND} {image.name} lies in image store {store.name} already")
    run.change(image, WORDS[ask.NOUN].copy_begun(copies=[replace(own, job_id=run.id)]))
    return own.path, path


@begin.undo
def give_up(run: Run[MoveTemplate]) -> None:
    if (mine := _mine(run)) is not None:
        image, own = mine
        run.change(image, WORDS[run.intent.NOUN].copy_begun(copies=[replace(own, job_id=None)]))


@move_template.step(timeout_s=COPY_S)
async def copy(run: Run[MoveTemplate]) -> None:
    """Copy the bytes, and look at the copy: a disk that lies is found here."""
    source, target = run[begin]
    image, place = image_row(run), on_disk(run.world.home, target)
    await duplicate(on_disk(run.world.home, source), place, run.progress)
    await look(place, WORD_OF[image.real_format], image.checksum)


@copy.undo
async def remove_copy(run: Run[MoveTemplate]) -> None:
    await remove(on_disk(run.world.home, run[begin][1]))


@move_template.step(pivot=True, no_undo="from here on the new copy is the image")
def change_over(run: Run[MoveTemplate]) -> None:
    mine = _mine(run)
    if mine is None:
        raise NotAllowed(f"{run.intent.NOUN} {run.intent.template_id} is being deleted")
    moved = WORDS[run.intent.NOUN].moved(zone_id=run.intent.zone_id, path=run[begin][1])
    run.change(mine[0], moved)


@move_template.step(no_undo="what was moved is not kept where it was")
async def remove_old(run: Run[MoveTemplate]) -> None:
    await remove(on_disk(run.world.home, run[begin][0]))


move_iso = move_template.twin("iso.move:1", MoveIso, "iso")
