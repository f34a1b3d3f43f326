"""An image with something in it, made once for all checks of a run."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from drivers.kit import images

MIB = 1024**2
IMAGE_BYTES = 16 * MIB


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sagastack-images-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


async def small_image(image_format: str) -> Path:
    """16 MiB of nothing with a few bytes in the middle, in the format that is asked for."""
    made, raw = _folder() / f"small.{image_format}", _folder() / f"{image_format}.raw"
    if not made.exists():
        with raw.open("wb") as file:
            file.truncate(IMAGE_BYTES)
            file.seek(8 * MIB)
            file.write(b"an image" * 512)
        await images.convert(str(raw), "raw", str(made), image_format)
    return made
