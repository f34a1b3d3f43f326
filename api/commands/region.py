"""Regions: the clouds that belong together, each with a controller of its own."""

from __future__ import annotations

from typing import Annotated

from api import records
from api.authz import noun
from api.declare import Bound, Caller, Page, Success, View, command, view
from api.errors import InvalidValue
from api.lists import cut
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from projections.cloud import Cloud
from projections.region import Region, regions

noun("region", "catalogue")
KIND = "region"
LAST = 2_147_483_647


@view
class RegionView(View, kw_only=True):
    """A region."""

    id: Annotated[int, "its number"]
    name: Annotated[str, "its name"]
    endpoint: Annotated[str, "where its API is"]
    gslb_service_enabled: Annotated[bool, "whether load is balanced between regions"]
    portableip_service_enabled: Annotated[bool, "whether addresses can move between zones"]

    @classmethod
    def of(cls, row: Region, cloud: Cloud) -> RegionView:
        return cls(
            id=row.number,
            name=row.name,
            endpoint=row.endpoint,
            gslb_service_enabled=False,
            portableip_service_enabled=False,
        )


def numbered(cloud: Cloud, number: int) -> Region:
    """The region of a number."""
    row = cloud[regions].one("number", number)
    if row is None:
        raise InvalidValue(f"there is no region {number}: listRegions has them all")
    return row


@command("addRegion", returns=RegionView, key="region", allow="A", action="REGION.ADD")
class AddRegion:
    """Tell of another region."""

    id: Annotated[int, "its number", Bound(1, LAST)]
    name: Annotated[str, "its name"]
    endpoint: Annotated[str, "where its API is, as a URL"]

    async def run(self, caller: Caller) -> Region:
        row_id = caller.new_id()
        fields = {"number": self.id, "name": self.name, "endpoint": self.endpoint}
        await caller.decide(CreateRecord(kind=KIND, id=row_id, fields=fields))
        return caller.cloud[regions][row_id]


@command("updateRegion", returns=RegionView, key="region", allow="A", action="REGION.UPDATE")
class UpdateRegion:
    """Rename a region, or say where its API is now."""

    id: Annotated[int, "its number", Bound(1, LAST)]
    name: Annotated[str | None, "its new name"] = None
    endpoint: Annotated[str | None, "where its API is, as a URL"] = None

    async def run(self, caller: Caller) -> Region:
        row = numbered(caller.cloud, self.id)
        given = records.given(self, "name", "endpoint")
        fields = {name: value for name, value in given.items() if value}
        await caller.decide(UpdateRecord(kind=KIND, id=row.id, fields=fields))
        return caller.cloud[regions][row.id]


@command("removeRegion", returns=Success, allow="A", action="REGION.REMOVE")
class RemoveRegion:
    """Tell of a region no more."""

    id: Annotated[int, "its number", Bound(1, LAST)]

    async def run(self, caller: Caller) -> None:
        row = numbered(caller.cloud, self.id)
        await caller.decide(RemoveRecord(kind=KIND, id=row.id))


@command("listRegions", returns=RegionView, key="region", shape="list", allow="ARDU")
class ListRegions:
    """List regions; this controller's own is number 1."""

    id: Annotated[int | None, "the region of this number"] = None
    name: Annotated[str | None, "the region of this name"] = None
    keyword: Annotated[str | None, "text that the name contains"] = None
    page: Annotated[int | None, "which page, from 1", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        word, name = (self.keyword or "").casefold(), (self.name or "").casefold()
        found = [
            row
            for row in caller.cloud[regions]
            if self.id in (None, row.number)
            and name in ("", row.name.casefold())
            and word in row.name.casefold()
        ]
        return Page(len(found), cut(found, self.page, self.page_size, caller))
