"""Guest OS categories as they are read."""

from aggregates.os_category import OsCategory
from projections.table import table

os_categories = table(OsCategory)

__all__ = ["OsCategory", "os_categories"]
