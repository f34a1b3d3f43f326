"""Templates as they are read."""

from aggregates.appliance import Appliance, Deployed, part_id
from aggregates.image import Copy, Image, ImageState
from aggregates.template import Template
from projections.table import table

templates = table(Template, indexed=("account_id", "domain_id", "name"))

__all__ = [
    "Appliance",
    "Copy",
    "Deployed",
    "Image",
    "ImageState",
    "Template",
    "part_id",
    "templates",
]
