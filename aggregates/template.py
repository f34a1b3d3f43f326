"""A template: an image that the disks of guests are made from."""

from __future__ import annotations

from aggregates.base import aggregate
from aggregates.image import Image, ImageState, speak


@aggregate("template")
class Template(Image):
    """An image for disks. Those made from it hold what they need of it themselves."""


WORDS = speak(Template)
TemplateRegistered, TemplateReady = WORDS.registered, WORDS.ready
TemplateUpdated, TemplateShared, TemplateRemoved = WORDS.updated, WORDS.shared, WORDS.removed

__all__ = [
    "WORDS",
    "ImageState",
    "Template",
    "TemplateReady",
    "TemplateRegistered",
    "TemplateRemoved",
    "TemplateShared",
    "TemplateUpdated",
]
