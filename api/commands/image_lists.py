"""What the lists of templates and of ISOs share: which there are for whom, and a line a zone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, cast
from uuid import UUID

from api.caller import Caller
from api.declare import Names, OneOf, part
from api.errors import Denied
from api.lists import Filter
from api.scope import Asked, Reach, reach_of
from api.views.template import InZone, in_zones, once
from projections.os_type import os_types
from projections.template import Image

FILTERS = OneOf(
    *("featured", "self", "selfexecutable", "sharedexecutable"),
    *("executable", "community", "all"),
)


@part
class ImageFilters:
    """What templates and ISOs are listed by."""

    zone_id: Annotated[UUID | None, "in this zone", Names("zone", right="see"), Filter()] = None
    hypervisor: Annotated[str | None, "for this hypervisor"] = None
    is_ready: Annotated[
        bool | None,
        "ready in their zone, or not",
        Filter(test=lambda row, yes: row.is_ready or not yes),
    ] = None
    arch: Annotated[str | None, "for this processor"] = None
    os_category_id: Annotated[
        UUID | None,
        "with an operating system of this family",
        Names("os_category", right="see"),
        Filter(),
    ] = None
    image_store_id: Annotated[
        UUID | None,
        "accepted and without effect: lists are by zone",
        Names("image_store", right="see"),
        Filter(),
    ] = None
    storage_id: Annotated[
        UUID | None,
        "accepted and without effect: any pool is given what it needs",
        Names("storage_pool", right="see"),
        Filter(),
    ] = None
    show_unique: Annotated[bool | None, "one line each, not one a zone", Filter()] = None
    show_removed: Annotated[bool | None, "ignored: see asof for what was", Filter()] = None
    show_icon: Annotated[bool | None, "with their icons", Filter()] = None

    def chosen(self, table: Iterable[Image], which: str, caller: Caller) -> list[InZone]:
        """The filter and who asks say together which there are; each once a zone, or once."""
        if which == "all" and caller.role_type == "User":
            raise Denied("the filter all is for administrators: use executable")
        reach = reach_of(cast(Asked, self), caller)
        found = [row for row in table if _known(row, reach, caller)]
        rows = [row for row in found if _fits(which, row, reach, caller)]
        if self.show_unique:
            return [once(row, caller.cloud) for row in rows]
        return [one for row in rows for one in in_zones(row, caller.cloud)]

    def matches(self, row: Any, caller: Caller) -> bool:
        """The zone of a line; one in no zone yet is of none."""
        if self.zone_id is not None and not self._in_zone(row):
            return False
        if self.os_category_id is None:
            return True
        os_type = caller.cloud[os_types].get(row.os_type_id)
        return os_type is not None and os_type.category_id == self.os_category_id

    def _in_zone(self, line: InZone) -> bool:
        if self.show_unique:
            return line.row.copy_in(self.zone_id) is not None
        return line.zone_id == self.zone_id


def _known(row: Image, reach: Reach, caller: Caller) -> bool:
    """Nobody sees another's image unless it is shared and ready."""
    if reach.holds(row) or caller.is_root or row.account_id == caller.account_id:
        return True
    return row.is_ready and (row.is_public or _shared(row, caller))


def _shared(row: Image, caller: Caller) -> bool:
    return caller.account_id in row.shared_with or not caller.identity.projects.isdisjoint(
        row.shared_with
    )


def _fits(which: str, row: Image, reach: Reach, caller: Caller) -> bool:
    """What each word of the filter means."""
    mine = reach.holds(row)
    shared = _shared(row, caller)
    fits = {
        "featured": row.is_featured and row.is_public,
        "community": row.is_public and not row.is_featured,
        "self": mine,
        "selfexecutable": mine and row.is_ready,
        "sharedexecutable": shared and row.is_ready,
        "executable": row.is_ready and (mine or shared or row.is_public),
        "all": True,
    }
    return fits[which]
