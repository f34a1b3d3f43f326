"""Guest OS types as they are read."""

from aggregates.os_type import OsType
from projections.table import table

os_types = table(OsType, indexed=("category_id",))

__all__ = ["OsType", "os_types"]
