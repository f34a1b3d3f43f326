"""Where the copies of an image lie, and how one is brought to where it belongs.

The controller keeps images. A copy for every zone lies in `<home>/images`; a copy of one zone in
a folder of that zone's id: below the zone's `file://` image store if it has one that takes new
images, else below `<home>/images`. So a copy to another zone is another file, possibly on another
disk, and a store that only others could mount holds none.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from aggregates.image import Image
from aggregates.image_store import ImageStore
from engine.image_fetch import Report, copy_file
from engine.images import partial_of, settle
from engine.rehearsal import inside
from engine.saga import Run
from projections.cloud import Cloud
from projections.image_store import image_stores
from projections.table import TABLES, TableSpec

SIMULATED = "sim:"


def images_of(ask: Any) -> TableSpec[Image]:
    """The table of the kind of image that an intent is about."""
    return TABLES[ask.NOUN]


def image_row(run: Run[Any]) -> Image:
    """The image that a run is about, its own changes included."""
    return run.row(images_of(run.intent), run.intent.template_id)


def folder_of_store(store: ImageStore) -> Path | None:
    """The folder of a store that lies on the controller's own disks; None for any other."""
    parts = urlsplit(store.url)
    if store.protocol != "file" or not parts.path.startswith("/"):
        return None
    return Path(unquote(parts.path))


def store_of(cloud: Cloud, zone_id: UUID | None) -> ImageStore | None:
    """The store on the controller's disks that takes a zone's new images."""
    return next(
        (
            store
            for store in cloud[image_stores]
            if store.zone_id == zone_id and not store.read_only and folder_of_store(store)
        ),
        None,
    )


def place_for(
    cloud: Cloud, home: Path, image_id: UUID, image_format: str, zone_id: UUID | None
) -> str:
    """Where the copy of a zone shall lie: from the data folder, which may be moved, if inside."""
    name = f"{image_id}.{image_format.lower()}"
    if zone_id is None:
        return f"images/{name}"
    store = store_of(cloud, zone_id)
    folder = folder_of_store(store) if store is not None else None
    return f"images/{zone_id}/{name}" if folder is None else place_in(folder, home, zone_id, name)


def place_in(folder: Path, home: Path, zone_id: UUID, name: str) -> str:
    """Where a copy lies in a store's folder, as `place_for` says it."""
    place = folder / str(zone_id) / name
    inside = place.is_relative_to(home.absolute())
    return str(place.relative_to(home.absolute()) if inside else place)


def lies_in(store: ImageStore, image: Image, home: Path) -> bool:
    """Whether the image's copy of the store's zone lies in the store."""
    own, folder = image.copy_of(store.zone_id), folder_of_store(store)
    if own is None or folder is None or not own.path or is_simulated(own.path):
        return False
    return on_disk(home, own.path).is_relative_to(folder)


def on_disk(home: Path, path: str) -> Path:
    """A copy's path as a file of this machine."""
    return inside(home, (home / path).absolute())


def is_simulated(path: str) -> bool:
    """Does it stand for an image that simulated hosts need no bytes of?"""
    return path.startswith(SIMULATED)


async def duplicate(source: Path, place: Path, report: Report) -> None:
    """Copy a whole image to another place; a whole file is never copied again."""
    if await asyncio.to_thread(place.exists):
        return
    partial = partial_of(place)
    await copy_file(source, partial, report)
    await settle(partial, place)
