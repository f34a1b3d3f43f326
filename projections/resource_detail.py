"""Details that administrators added, as they are read."""

from aggregates.resource_detail import ResourceDetail
from projections.attached import Attached
from projections.table import table

resource_details = table(ResourceDetail, indexed=("resource_id", "kind"), make=Attached)

__all__ = ["ResourceDetail", "resource_details"]
