"""Commands about details of things: those that a thing came with, and those that were added."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, cast
from uuid import UUID

from api.authz import NOUNS, Right, Verdict, judge
from api.caller import Caller, Job
from api.declare import Bound, Length, Names, Page, Roles, Success, command
from api.errors import InvalidValue
from api.kinds import DETAILED, word_of
from api.lists import cut
from api.scope import Asked, reach_of
from api.views.resource_detail import ResourceDetailView
from engine.intents.attached import SetDetails, TakeDetails
from engine.intents.job import AsJob
from projections.resource_detail import resource_details
from projections.table import TABLES

Thing = Annotated[UUID, "the thing", Names(DETAILED, right="operate", by="resource_type")]
KindWord = Annotated[str, "its kind, such as UserVm or Volume"]


@command(
    "addResourceDetail", returns=Success, is_async=True, allow="A", action="CREATE_RESOURCE_DETAILS"
)
class AddResourceDetail:
    """Say more about a thing; what was said under the same key before is replaced."""

    details: Annotated[dict[str, str], "keys with their values", Length(4096)]
    resource_id: Thing
    resource_type: KindWord
    for_display: Annotated[bool | None, "whether others than administrators see it"] = None

    async def run(self, caller: Caller) -> Job:
        ask = SetDetails(
            kind=DETAILED[self.resource_type.lower()],
            thing_id=self.resource_id,
            details=dict(self.details),
            is_displayed=self.for_display is not False,
            seed=caller.new_id(),
        )
        return await caller.submit(AsJob(ask=ask, subject_kind=ask.kind, subject_id=ask.thing_id))


@command(
    "removeResourceDetail",
    returns=Success,
    is_async=True,
    allow="A",
    action="DELETE_RESOURCE_DETAILS",
)
class RemoveResourceDetail:
    """Take back what was added to a thing: one key, or all."""

    resource_id: Thing
    resource_type: KindWord
    key: Annotated[str | None, "only this"] = None

    async def run(self, caller: Caller) -> Job:
        kind = DETAILED[self.resource_type.lower()]
        ask = TakeDetails(kind=kind, thing_id=self.resource_id, key=self.key or "")
        return await caller.submit(AsJob(ask=ask, subject_kind=kind, subject_id=self.resource_id))


@command(
    "listResourceDetails",
    returns=ResourceDetailView,
    key="resourcedetail",
    shape="list",
    allow="ARDU",
    since="4.2",
)
class ListResourceDetails:
    """List details of things."""

    resource_type: KindWord
    resource_id: Annotated[
        UUID | None, "of this thing", Names(DETAILED, right="see", by="resource_type")
    ] = None
    key: Annotated[str | None, "those of this key"] = None
    value: Annotated[str | None, "those of this value", Roles("Admin")] = None
    for_display: Annotated[
        bool | None, "those that others than administrators see", Roles("Admin")
    ] = None
    keyword: Annotated[str | None, "text that the key contains"] = None
    list_all: Annotated[bool | None, "all that the caller may see, not only its own"] = None
    account: Annotated[str | None, "of things of this account; the domain is given too"] = None
    domain_id: Annotated[UUID | None, "of things in it", Names("domain", right="see")] = None
    is_recursive: Annotated[bool | None, "with domainid: also all domains below it"] = None
    project_id: Annotated[
        UUID | None, "of this project's things", Names("project", right="see", every=True)
    ] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    @property
    def id(self) -> UUID | None:
        """What scopes call the one thing that is asked about."""
        return self.resource_id

    @property
    def ids(self) -> None:
        """There is no list of ids here; scopes ask for one."""
        return

    async def run(self, caller: Caller) -> Page:
        kind = DETAILED.get(self.resource_type.lower())
        if kind is None:
            raise InvalidValue(f"resourcetype {self.resource_type[:50]} names no kind of resource")
        found = [
            one
            for row in self._things(caller, kind)
            for one in _details(caller, kind, row)
            if self._fits(one) and (one.for_display or caller.is_root)
        ]
        return Page(len(found), cut(found, self.page, self.page_size, caller))

    def _fits(self, one: ResourceDetailView) -> bool:
        return (
            self.key in (None, "", one.key)
            and self.value in (None, "", one.value)
            and self.for_display in (None, one.for_display)
            and (self.keyword or "").casefold() in one.key.casefold()
        )

    def _things(self, caller: Caller, kind: str) -> Iterator[Any]:
        """The things that are meant, of those that the caller may see."""
        if kind not in TABLES:
            return
        table, guard = caller.cloud.table(kind), NOUNS[kind]
        rows: Iterable[Any] = table
        if self.resource_id is not None:
            row = table.get(self.resource_id)
            rows = () if row is None else (row,)
        elif guard.scope == "owned":
            reach = reach_of(cast(Asked, self), caller)
            if reach.accounts is not None and "account_id" in table.spec.indexed:
                rows = [r for one in reach.accounts for r in table.by("account_id", one)]
            rows = [row for row in rows if reach.holds(row)]
        for row in rows:
            if judge(caller.identity, Right.SEE, guard, row, caller.cloud) is Verdict.YES:
                yield row


def _details(caller: Caller, kind: str, row: Any) -> Iterator[ResourceDetailView]:
    """What a thing came with, and what was added to it."""
    word = word_of(kind)
    added = {one.key: one for one in caller.cloud[resource_details].by("resource_id", row.id)}
    own: dict[str, str] = getattr(row, "details", None) or {}
    for key, value in own.items():
        if key not in added:
            yield ResourceDetailView(
                resource_id=row.id, resource_type=word, key=key, value=str(value), for_display=True
            )
    for key, one in added.items():
        yield ResourceDetailView(
            resource_id=row.id,
            resource_type=word,
            key=key,
            value=one.value,
            for_display=one.is_displayed,
        )
