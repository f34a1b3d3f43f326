"""Images that come from outside: files that lie beside the simulated cloud, and how they look.

A simulation starts no program, so what `qemu-img` would say of a raw disk is said here.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from aggregates.image import WORDS
from aggregates.volume import VolumeState
from engine.image_places import is_simulated, on_disk
from projections.cloud import Cloud
from projections.upload import uploads
from projections.volume import volumes

# Image stores, with the number of their zone.
STORES = {"store1": 0, "store2": 0, "store3": 1}
DISK, DISC = b"\x01" + b"\0" * 65_535, (b"\0" * 32_769 + b"CD001").ljust(40_960, b"\0")
FILES = {"outside.raw": DISK, "outside.iso": DISC, "broken.iso": b"\0" * 40_960}
SENT = {"RAW": DISK, "ISO": DISC}


def provide(home: Path) -> None:
    """Put the files where the cloud finds them."""
    for name, content in FILES.items():
        (home / name).write_bytes(content)


async def ask_nobody(path: Path, expected: str) -> tuple[str, int]:
    """In place of `engine.images._ask_qemu`."""
    return expected, (await asyncio.to_thread(path.stat)).st_size


def hold(cloud: Cloud, home: Path) -> None:
    """Each file of an image is one that a row names, and each that a row names is there."""
    wanted = set[Path]()
    for kind in WORDS:
        for image in cloud.table(kind):
            named = {copy.path for copy in image.copies if copy.is_ready}
            wanted |= {on_disk(home, path) for path in named if not is_simulated(path)}
    for volume in cloud[volumes]:
        if volume.upload_path and volume.state is not VolumeState.UPLOAD_ERROR:
            wanted.add(on_disk(home, volume.upload_path))
    awaited = {on_disk(home, one.path) for one in cloud[uploads]}
    folders = [home / "images", *(home / name for name in STORES)]
    there = {one for folder in folders for one in folder.rglob("*") if one.is_file()}
    left = {one for one in there - wanted if not _is_of(one, awaited)}
    assert not left, f"files of no image: {left}"
    assert wanted - awaited <= there, f"images without a file: {wanted - awaited - there}"


def _is_of(one: Path, awaited: set[Path]) -> bool:
    """Whether it is what somebody has sent so far."""
    return any(one.name.startswith(place.name) for place in awaited)
