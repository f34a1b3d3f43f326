"""What is not as the log says, and waits for somebody to look. See also listAsyncJobs."""

from __future__ import annotations

from typing import Annotated

from api.declare import Wire
from api.lists import Filter, list_command
from api.views.alert import AlertView, is_of_type
from projections.finding import findings


@list_command(
    "listAlerts", view=AlertView, table=findings, key="alert", scope="admin", keyword=("text",)
)
class ListAlerts:
    """List what reconciliation has found and cannot mend. It is gone once it is mended."""

    name: Annotated[str | None, "what was found, such as missing disk", Filter("finding")] = None
    type: Annotated[
        int | None,
        "8 about a guest, 12 about storage",
        Filter(test=is_of_type),
        Wire(type="string"),
    ] = None
