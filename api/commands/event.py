"""Commands about events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, cast
from uuid import UUID

from api.caller import Caller
from api.commands import state_words
from api.declare import REGISTRY, Bound, Free, Moment, Names, Page, Success, command
from api.errors import InvalidValue
from api.lists import cut
from api.scope import Asked, reach_of
from api.views.event import EventTypeView, EventView
from engine.intents.event_list import PutEventsAway
from projections.account import accounts
from projections.cloud import Cloud
from projections.event_list import Entry, EventList
from projections.table import TABLES


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom an event belongs to, as scopes ask for it."""

    account_id: UUID
    domain_id: UUID | None


@command("listEvents", returns=EventView, key="event", shape="list", allow="ARDU")
class ListEvents:
    """List what was asked for, newest first, and how it ended."""

    id: Annotated[
        UUID | None, "the one with this id", Free("run() shows only what is in scope")
    ] = None
    start_id: Annotated[
        UUID | None, "the one with this id and what ends it", Free("run() shows only the scope")
    ] = None
    type: Annotated[str | None, "those of this type, for example VM.CREATE"] = None
    level: Annotated[str | None, "INFO or ERROR"] = None
    state: Annotated[str | None, "Started or Completed", state_words.EVENT] = None
    resource_id: Annotated[str | None, "those about this thing", Free("compared as text")] = None
    resource_type: Annotated[str | None, "those about things of this kind"] = None
    start_date: Annotated[Moment | None, "those since then"] = None
    end_date: Annotated[Moment | None, "those until then"] = None
    entry_time: Annotated[int | None, "those since so many seconds ago", Bound(0)] = None
    duration: Annotated[int | None, "with entrytime: and at least so many ago", Bound(0)] = None
    archived: Annotated[bool | None, "those that were archived, instead of the others"] = None
    keyword: Annotated[str | None, "text that type or description contains"] = None
    list_all: Annotated[bool | None, "all that the caller may see, not only its own"] = None
    account: Annotated[str | None, "those of this account; the domain is given too"] = None
    domain_id: Annotated[UUID | None, "those in this domain", Names("domain", right="see")] = None
    is_recursive: Annotated[bool | None, "with domainid: also all domains below it"] = None
    project_id: Annotated[
        UUID | None,
        "those of what this project has; -1 for all projects of the caller",
        Names("project", right="see", every=True),
    ] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    @property
    def ids(self) -> None:
        """There is no list of ids here; scopes ask for one."""
        return

    async def run(self, caller: Caller) -> Page:
        seen = _scope(cast(Asked, self), caller)
        found = [one for one in self._between(caller) if seen(one) and self._fits(one)]
        shown = [
            EventView.of(one, caller.cloud, archived=bool(self.archived))
            for one in cut(found, self.page, self.page_size, caller)
        ]
        return Page(len(found), shown)

    def _between(self, caller: Caller) -> Iterator[Entry]:
        """Newest first, and no further back than was asked for."""
        first_ms: int = self.start_date or 0
        last_ms: int | None = self.end_date
        if self.entry_time is not None:
            first_ms = max(first_ms, caller.now_ms - self.entry_time * 1000)
            if self.duration is not None:
                last_ms = min(last_ms or caller.now_ms, caller.now_ms - self.duration * 1000)
        events = caller.cloud.view(EventList)
        for one in events.archived() if self.archived else events.latest():
            if one.at_ms < first_ms:
                return
            if last_ms is None or one.at_ms <= last_ms:
                yield one

    def _fits(self, one: Entry) -> bool:
        if self.id is not None and one.id != self.id:
            return False
        if self.start_id is not None and self.start_id not in (one.id, Entry.id_at(one.parent)):
            return False
        if self.resource_id and self.resource_id.lower() != str(one.subject_id):
            return False
        for asked, there in (
            (self.type, one.action),
            (self.level, one.level),
            (self.state, one.state),
            (self.resource_type, one.resource_type),
        ):
            if asked and asked.casefold() != (there or "").casefold():
                return False
        word = (self.keyword or "").casefold()
        return not word or word in one.action.casefold() or word in one.description.casefold()


def _scope(ask: Asked, caller: Caller) -> Callable[[Entry], bool]:
    """Whose events the caller is shown, each account looked at once."""
    reach, known = reach_of(ask, caller), dict[UUID, bool]()
    if ask.project_id is not None and (mine := reach.accounts) is not None:
        things = _had_by(mine, caller.cloud)
        return lambda one: (
            one.account_id in mine or (one.subject_id is not None and one.subject_id.int in things)
        )

    def seen(one: Entry) -> bool:
        if one.account_id is None:
            return caller.is_root and bool(ask.list_all)
        if one.account_id not in known:
            account = caller.cloud[accounts].get(one.account_id)
            owner = Owner(one.account_id, account.domain_id if account else None)
            known[one.account_id] = reach.holds(owner)
        return known[one.account_id]

    return seen


def _had_by(owners: Iterable[UUID], cloud: Cloud) -> set[int]:
    """All that these accounts have: members act in a project, and never its own account."""
    found = set[int]()
    for kind, spec in TABLES.items():
        if "account_id" in spec.indexed:
            for one in owners:
                found.update(cloud.table(kind).by("account_id", one).numbers)
    return found


@command("listEventTypes", returns=EventTypeView, key="eventtype", shape="list", allow="ARDU")
class ListEventTypes:
    """List the kinds of events that there can be."""

    async def run(self, caller: Caller) -> Page:
        """Every command that changes something says what its event is called."""
        names = sorted({spec.action for spec in REGISTRY.values() if spec.action})
        return Page(len(names), [EventTypeView(name=name) for name in names])


EventIds = Annotated[
    tuple[UUID, ...] | None, "these events", Free("run() finds them in the caller's scope alone")
]
EventType = Annotated[str | None, "those of this type"]
Since = Annotated[Moment | None, "those since then; enddate is given too"]
Until = Annotated[Moment | None, "those until then"]


@dataclass(frozen=True, slots=True)
class Everything:
    """Scoping parameters that ask for all that a caller may see."""

    id: None = None
    ids: None = None
    list_all: bool = True
    account: None = None
    domain_id: None = None
    is_recursive: None = None
    project_id: None = None


def positions_of(
    caller: Caller,
    ids: tuple[UUID, ...] | None,
    kind: str | None,
    first_ms: int | None,
    last_ms: int | None,
) -> tuple[int, ...]:
    """The entries that are meant, all of them the caller's to put away."""
    if not ids and not kind and last_ms is None:
        raise InvalidValue("either ids, type or enddate must be given: which events are meant?")
    if first_ms is not None and last_ms is None:
        raise InvalidValue("startdate needs enddate beside it")
    seen, events = _scope(Everything(), caller), caller.cloud.view(EventList)
    mine = {one.id: one for one in (*events.latest(), *events.archived()) if seen(one)}
    missing = next((one for one in ids or () if one not in mine), None)
    if missing is not None:
        raise InvalidValue(f"there is no event {missing}: see listEvents")
    return tuple(
        one.position
        for one in ((mine[event_id] for event_id in dict.fromkeys(ids)) if ids else mine.values())
        if (not kind or kind.casefold() == one.action.casefold())
        and (first_ms or 0) <= one.at_ms
        and (last_ms is None or one.at_ms <= last_ms)
    )


@command("archiveEvents", returns=Success, allow="ARDU", action="EVENT.ARCHIVE")
class ArchiveEvents:
    """Put events away from the list. They can be asked for, and the log has them anyway."""

    ids: EventIds = None
    type: EventType = None
    start_date: Since = None
    end_date: Until = None

    async def run(self, caller: Caller) -> None:
        found = positions_of(caller, self.ids, self.type, self.start_date, self.end_date)
        await caller.decide(PutEventsAway(id=caller.new_id(), positions=found))


@command("deleteEvents", returns=Success, allow="ARDU", action="EVENT.DELETE")
class DeleteEvents:
    """Show events no more in the list. The log has them anyway."""

    ids: EventIds = None
    type: EventType = None
    start_date: Since = None
    end_date: Until = None

    async def run(self, caller: Caller) -> None:
        found = positions_of(caller, self.ids, self.type, self.start_date, self.end_date)
        await caller.decide(PutEventsAway(id=caller.new_id(), positions=found, deleted=True))
