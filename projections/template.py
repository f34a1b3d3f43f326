"""Templates as they are read."""

from aggregates.image import Copy, Image, ImageState
from aggregates.template import Template
from projections.table import table

templates = table(Template, indexed=("account_id", "domain_id", "name"))

__all__ = ["Copy", "Image", "ImageState", "Template", "templates"]
