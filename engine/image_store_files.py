"""What lies in an image store, for those who administer it: names and sizes, never outside it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from aggregates.errors import Invalid
from aggregates.image_store import ImageStore
from engine.image_places import folder_of_store


@dataclass(frozen=True, slots=True)
class StoredFile:
    name: str
    is_folder: bool
    size_bytes: int
    changed_at_ms: int


def inside(store: ImageStore, path: str) -> Path:
    """A place in a store on the controller's disks; links and `..` lead nowhere."""
    folder = folder_of_store(store)
    if folder is None:
        raise Invalid(
            f"image store {store.name} is at {store.url}, which the controller does not read: "
            "only the files of file:// stores can be looked at"
        )
    place = (folder / path.lstrip("/")).absolute()
    if Path(os.path.realpath(place)) != place or not place.is_relative_to(folder):
        raise Invalid(f"path {path!r} leads out of image store {store.name}", field="path")
    return place


def listed(store: ImageStore, path: str) -> list[StoredFile]:
    """The files and folders of a folder, or the one file, by name."""
    place = inside(store, path)
    try:
        names = sorted(os.listdir(place)) if place.is_dir() else [place.name]
        where = place if place.is_dir() else place.parent
        return [_looked(where / name) for name in names]
    except OSError as wrong:
        raise Invalid(f"path {path!r}: {wrong.strerror}", field="path") from wrong


def _looked(file: Path) -> StoredFile:
    facts = file.lstat()
    return StoredFile(
        name=file.name,
        is_folder=stat.S_ISDIR(facts.st_mode),
        size_bytes=facts.st_size,
        changed_at_ms=int(facts.st_mtime * 1000),
    )
