"""An ISO: the image of a disc that guests have in their drive, to start from or to read."""

from __future__ import annotations

from aggregates.base import aggregate
from aggregates.image import Image, speak


@aggregate("iso")
class Iso(Image):
    """An image of a disc. A drive reads it where it lies, so it stays while a guest has it."""


WORDS = speak(Iso)

__all__ = ["WORDS", "Iso"]
