"""Commands about ISO images: clients ask for them, and there are none yet."""

from __future__ import annotations

from typing import Annotated

from api.caller import Caller
from api.declare import OneOf, Page, command
from api.views.template import TemplateView

FILTERS = OneOf(
    *("featured", "self", "selfexecutable", "sharedexecutable"),
    *("executable", "community", "all"),
)


@command("listIsos", returns=TemplateView, key="iso", shape="list", allow="ARDU")
class ListIsos:
    """List ISO images: this cloud has none."""

    iso_filter: Annotated[str | None, "which images are meant", FILTERS] = None

    async def run(self, caller: Caller) -> Page:
        return Page(0, [])
