"""Moving what an image store holds into others of its zone, each image by a job of its own."""

from __future__ import annotations

import asyncio
import shutil
from itertools import cycle
from pathlib import Path
from uuid import UUID, uuid5

from aggregates.errors import DomainError, NotAllowed, NotFound
from aggregates.image import WORDS, Image
from aggregates.image_store import ImageStore
from drivers.contract.errors import Refused
from engine.image_places import folder_of_store, lies_in
from engine.intents import By
from engine.intents.image_store import EmptyImageStore
from engine.intents.iso import MoveIso
from engine.intents.template import MoveTemplate
from engine.saga import Run, Saga
from projections.image_store import image_stores
from projections.table import TABLES

MOVES: dict[str, type[MoveTemplate]] = {"template": MoveTemplate, "iso": MoveIso}

empty_image_store = Saga(
    "image_store.empty:1", EmptyImageStore, "image_store", lambda ask: ask.store_id
)


@empty_image_store.step(no_undo="it only looks")
def look(run: Run[EmptyImageStore]) -> dict[UUID, str]:
    """Answers with the images that are to be moved, and their nouns."""
    ask, source = run.intent, run.row(image_stores, run.intent.store_id)
    _serves(source)
    for store_id in ask.into_ids:
        store = run.row(image_stores, store_id)
        _serves(store)
        if store.zone_id != source.zone_id or store.id == source.id:
            raise NotAllowed(
                f"image store {store.name} is not another one of the zone of {source.name}"
            )
        if store.read_only:
            raise NotAllowed(f"image store {store.name} is read only: use another")
    held = {
        image.id: noun
        for noun in WORDS
        for image in run.cloud[TABLES[noun]]
        if lies_in(source, image, run.world.home)
    }
    if ask.image_ids is None:
        return held
    if strange := [one for one in ask.image_ids if one not in held]:
        raise NotFound(f"image {strange[0]} does not lie in image store {source.name}")
    return {one: held[one] for one in ask.image_ids}


def _serves(store: ImageStore) -> None:
    if folder_of_store(store) is None or store.zone_id is None:
        raise NotAllowed(
            f"image store {store.name} is at {store.url}: images are moved between file:// "
            "stores of one zone"
        )


@empty_image_store.step(timeout_s=7 * 24 * 3600, no_undo="what was moved is whole where it is")
async def move(run: Run[EmptyImageStore]) -> None:
    """One after the other; what cannot be moved stays, and the rest is moved all the same."""
    refused = []
    turns = cycle(await _roomiest(run))
    for image_id, noun in run[look].items():
        image: Image | None = run.cloud[TABLES[noun]].get(image_id)
        if image is not None and (why := await _one(run, image, next(turns))):
            refused.append(f"{noun} {image.name}: {why}")
    if refused:
        raise Refused(f"{len(refused)} of {len(run[look])} stay where they are: {refused[0]}")


async def _one(run: Run[EmptyImageStore], image: Image, store_id: UUID) -> str:
    """Why the image was not moved; empty if it was."""
    source = run.row(image_stores, run.intent.store_id)
    by = By(account_id=run.account_id, user_id=run.user_id)
    assert source.zone_id is not None
    ask = MOVES[image.KIND](template_id=image.id, zone_id=source.zone_id, store_id=store_id)
    try:
        job = await run.world.children.submit(ask, by, run_id=uuid5(run.key, str(image.id)))
    except DomainError as error:
        return str(error) if lies_in(source, image, run.world.home) else ""
    return await run.world.children.outcome(job.id)


async def _roomiest(run: Run[EmptyImageStore]) -> list[UUID]:
    """The stores to move into, the one with the most room first."""
    room = {}
    for store_id in run.intent.into_ids:
        folder = folder_of_store(run.row(image_stores, store_id))
        assert folder is not None
        room[store_id] = await asyncio.to_thread(_free, folder)
    return sorted(room, key=lambda store_id: -room[store_id])


def _free(folder: Path) -> int:
    """The room where the folder is, or will be once there is one."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
