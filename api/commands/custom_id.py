"""An id is for ever: what asks to give a thing another one is refused."""

from __future__ import annotations

from typing import Annotated

from api.declare import Later, Roles, part


@part
class KeepsId:
    """What every change of a thing takes from root administrators, and refuses."""

    custom_id: Annotated[
        str | None, "not offered: an id is for ever", Later("an id is for ever"), Roles("Admin")
    ] = None
