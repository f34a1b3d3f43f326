"""Commands about guest operating systems and their families."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any
from uuid import UUID

from api.authz import NOUNS, Right, Verdict, judge
from api.caller import Caller, Job
from api.declare import Names, Roles, Success, command
from api.errors import InvalidValue
from api.lists import Filter, WithIcons, list_command
from api.views.os_type import OsCategoryView, OsTypeView
from engine.intents.job import AsJob
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from projections.os_category import OsCategory, os_categories
from projections.os_type import OsType, os_types


@list_command("listOsTypes", view=OsTypeView, table=os_types, key="ostype", scope="catalogue")
class ListOsTypes:
    """List guest operating systems."""

    os_category_id: Annotated[
        UUID | None,
        "those of this family",
        Names("os_category", right="see"),
        Filter("category_id"),
    ] = None
    description: Annotated[str | None, "the one of this name", Filter("name")] = None
    for_display: Annotated[
        bool | None, "those that users see, or not", Roles("Admin"), Filter("is_displayed")
    ] = None

    def visible(self, row: OsType, caller: Caller) -> bool:
        return row.is_displayed or caller.is_root


@list_command(
    "listOsCategories",
    view=OsCategoryView,
    table=os_categories,
    key="oscategory",
    scope="catalogue",
)
class ListOsCategories(WithIcons):
    """List families of guest operating systems."""

    is_featured: Annotated[bool | None, "those that are shown first"] = None
    is_iso: Annotated[bool | None, "those that ISOs are of; false: templates", Filter()] = None
    is_vnf: Annotated[bool | None, "those of virtual network functions, or not", Filter()] = None
    arch: Annotated[str | None, "those of images of this architecture", Filter()] = None
    zone_id: Annotated[
        UUID | None, "those of images in this zone", Names("zone", right="see"), Filter()
    ] = None

    def tests(self, caller: Caller) -> Iterator[Callable[[Any], bool]]:
        """Asked about images, a family counts once there is such an image of it to see."""
        if (self.is_iso, self.is_vnf, self.arch, self.zone_id) != (None, None, None, None):
            found = {image.os_type_id for image in self._images(caller)}
            kinds = (caller.cloud[os_types].get(one) for one in found)
            families = {one.category_id for one in kinds if one is not None}
            yield lambda row: row.id in families

    def _images(self, caller: Caller) -> Iterator[Any]:
        asked = {None: ("template", "iso"), True: ("iso",), False: ("template",)}
        for kind in asked[self.is_iso]:
            guard = NOUNS[kind]
            for image in caller.cloud.table(kind):
                verdict = judge(caller.identity, Right.SEE, guard, image, caller.cloud)
                if (
                    verdict is Verdict.YES
                    and self.arch in (None, image.arch)
                    and (self.zone_id is None or image.copy_in(self.zone_id))
                    and self.is_vnf in (None, image.template_type == "VNF")
                ):
                    yield image


@command(
    "addGuestOs",
    returns=OsTypeView,
    key="ostype",
    is_async=True,
    creates=True,
    allow="A",
    action="GUEST.OS.ADD",
)
class AddGuestOs:
    """Add a guest operating system."""

    os_category_id: Annotated[UUID, "its family", Names("os_category")]
    os_display_name: Annotated[str, "its name"]
    name: Annotated[str | None, "ignored: people know it by its display name"] = None
    for_display: Annotated[bool | None, "whether users see it", Roles("Admin")] = None
    details: Annotated[dict[str, str] | None, "settings of machines that run it"] = None

    async def run(self, caller: Caller) -> Job:
        row_id = caller.new_id()
        fields = {
            "category_id": self.os_category_id,
            "name": self.os_display_name,
            "is_user_defined": True,
            "is_displayed": self.for_display is not False,
            "details": dict(self.details or {}),
        }
        ask = CreateRecord(kind="os_type", id=row_id, fields=fields)
        return await caller.submit(AsJob(ask=ask, subject_kind="os_type", subject_id=row_id))


@command(
    "updateGuestOs",
    returns=OsTypeView,
    key="ostype",
    is_async=True,
    allow="A",
    action="GUEST.OS.UPDATE",
)
class UpdateGuestOs:
    """Rename a guest operating system, or move it to another family."""

    id: Annotated[UUID, "the operating system", Names("os_type", right="operate")]
    os_display_name: Annotated[str | None, "its new name"] = None
    os_category_id: Annotated[UUID | None, "its new family", Names("os_category")] = None
    for_display: Annotated[bool | None, "whether users see it", Roles("Admin")] = None
    details: Annotated[dict[str, str] | None, "settings of machines that run it"] = None

    async def run(self, caller: Caller) -> Job:
        """Those that came with the cloud keep their names; everything else of them may change."""
        if self.os_display_name is not None:
            _added(caller, self.id, "keeps its osdisplayname: add another")
        asked: dict[str, Any] = {
            "name": self.os_display_name,
            "category_id": self.os_category_id,
            "is_displayed": self.for_display,
            "details": self.details,
        }
        fields = {name: value for name, value in asked.items() if value is not None}
        ask = UpdateRecord(kind="os_type", id=self.id, fields=fields)
        return await caller.submit(AsJob(ask=ask, subject_kind="os_type", subject_id=self.id))


@command("removeGuestOs", returns=Success, is_async=True, allow="A", action="GUEST.OS.REMOVE")
class RemoveGuestOs:
    """Remove a guest operating system that an administrator added and nothing names."""

    id: Annotated[UUID, "the operating system", Names("os_type", right="operate")]

    async def run(self, caller: Caller) -> Job:
        _added(caller, self.id)
        ask = RemoveRecord(kind="os_type", id=self.id)
        return await caller.submit(AsJob(ask=ask, subject_kind="os_type", subject_id=self.id))


@command(
    "addOsCategory",
    returns=OsCategoryView,
    key="oscategory",
    allow="A",
    action="GUEST.OS.CATEGORY.ADD",
)
class AddOsCategory:
    """Add a family of guest operating systems."""

    name: Annotated[str, "its name"]
    is_featured: Annotated[bool | None, "whether it is shown first"] = None

    async def run(self, caller: Caller) -> OsCategory:
        row_id = caller.new_id()
        fields = {"name": self.name, "is_featured": bool(self.is_featured)}
        await caller.decide(CreateRecord(kind="os_category", id=row_id, fields=fields))
        return caller.cloud[os_categories][row_id]


@command(
    "updateOsCategory",
    returns=OsCategoryView,
    key="oscategory",
    allow="A",
    since="4.21.0",
    action="GUEST.OS.CATEGORY.UPDATE",
)
class UpdateOsCategory:
    """Rename a family of guest operating systems, or say whether it is shown first."""

    id: Annotated[UUID, "the family", Names("os_category", right="operate")]
    name: Annotated[str | None, "its new name"] = None
    is_featured: Annotated[bool | None, "whether it is shown first"] = None
    sort_key: Annotated[int | None, "where it stands in lists"] = None

    async def run(self, caller: Caller) -> OsCategory:
        names = ("name", "is_featured", "sort_key")
        fields = {n: getattr(self, n) for n in names if getattr(self, n) is not None}
        await caller.decide(UpdateRecord(kind="os_category", id=self.id, fields=fields))
        return caller.cloud[os_categories][self.id]


@command(
    "deleteOsCategory",
    returns=Success,
    allow="A",
    since="4.21.0",
    action="GUEST.OS.CATEGORY.DELETE",
)
class DeleteOsCategory:
    """Remove a family that no guest operating system belongs to."""

    id: Annotated[UUID, "the family", Names("os_category", right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(RemoveRecord(kind="os_category", id=self.id))


def _added(caller: Caller, os_type_id: UUID, what: str = "stays") -> None:
    row = caller.cloud[os_types][os_type_id]
    if not row.is_user_defined:
        raise InvalidValue(f"operating system {row.name} came with the cloud and {what}")
