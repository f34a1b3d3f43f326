"""Image stores as they are read."""

from aggregates.image_store import ImageStore
from projections.table import table

image_stores = table(ImageStore, indexed=("zone_id",))

__all__ = ["ImageStore", "image_stores"]
