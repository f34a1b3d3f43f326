"""Icons as they are read."""

from aggregates.resource_icon import ResourceIcon
from projections.attached import Attached
from projections.table import table

resource_icons = table(ResourceIcon, indexed=("resource_id",), make=Attached)

__all__ = ["ResourceIcon", "resource_icons"]
