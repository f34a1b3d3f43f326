"""Commands about usage: it follows from the log, so nothing has to be generated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from api.authz import governs, is_below
from api.caller import Caller
from api.declare import Bound, Date, Free, Moment, Names, Page, Success, command, date
from api.errors import Denied, InvalidValue, Unsupported
from api.lists import span
from api.scope import named_account, owner_for
from api.views.usage import TYPES, UsageRecordView, UsageTypeView, record
from engine.intents.usage import ForgetUsage
from projections.domain import domains
from projections.pieces import free, pieces
from projections.setting import value_of
from projections.usage import Usage
from projections.usage_spans import Span

DAY_MS = 24 * 3_600_000
PERIOD_MAX_DAYS = 366
SORTED_AT_ONCE = 2_000


@command("listUsageTypes", returns=UsageTypeView, key="usagetype", shape="list", allow="A")
class ListUsageTypes:
    """List the kinds of usage that there are."""

    async def run(self, caller: Caller) -> Page:
        found = [UsageTypeView(id=n, name=name, description=d) for n, (name, d) in TYPES.items()]
        return Page(len(found), found)


@command("generateUsageRecords", returns=Success, allow="A", reads=True)
class GenerateUsageRecords:
    """Make sure that usage can be listed. It always can: it follows from the log."""

    domain_id: Annotated[UUID | None, "the domain", Names("domain", right="see")] = None
    start_date: Annotated[Moment | None, "the beginning of the period"] = None
    end_date: Annotated[Moment | None, "its end"] = None

    async def run(self, caller: Caller) -> None:
        _is_on(caller)
        if self.start_date is not None and self.end_date is not None:
            _period(self.start_date, self.end_date)


@command(
    "removeRawUsageRecords",
    returns=Success,
    allow="A",
    since="4.6.0",
    action="USAGE.REMOVE.USAGE.RECORDS",
)
class RemoveRawUsageRecords:
    """Tell no more of what ended long ago. The log has it all the same."""

    interval: Annotated[int, "so many days are kept", Bound(1, 36_500)]

    async def run(self, caller: Caller) -> None:
        before_ms = max(0, caller.now_ms - self.interval * DAY_MS)
        await caller.decide(ForgetUsage(id=caller.new_id(), before_ms=before_ms))


@command("listUsageRecords", returns=UsageRecordView, key="usagerecord", shape="list", allow="ARD")
class ListUsageRecords:
    """List what was used in a period, in parts of a day or less; one record a thing and part."""

    start_date: Annotated[Moment, "the beginning of the period"]
    end_date: Annotated[Moment, "its end"]
    account: Annotated[str | None, "usage of this account; the domain is given too"] = None
    account_id: Annotated[UUID | None, "usage of this account", Names("account", right="see")] = (
        None
    )
    domain_id: Annotated[UUID | None, "usage in this domain", Names("domain", right="see")] = None
    is_recursive: Annotated[bool | None, "with domainid: also in the domains below it"] = None
    project_id: Annotated[UUID | None, "usage of this project", Names("project", right="see")] = (
        None
    )
    type: Annotated[int | None, "usage of this kind, see listUsageTypes"] = None
    usage_id: Annotated[
        str | None, "usage of this thing; type is given too", Free("the scope decides what is seen")
    ] = None
    include_tags: Annotated[bool | None, "also the tags of each thing"] = None
    old_format: Annotated[bool | None, "taken and not needed: there is one format here"] = None
    keyword: Annotated[str | None, "text that the name of the thing contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        _is_on(caller)
        _period(self.start_date, self.end_date)
        if self.type is not None and self.type not in TYPES:
            raise InvalidValue(f"type {self.type} is no kind of usage: see listUsageTypes")
        if self.usage_id is not None and self.type is None:
            raise InvalidValue("usageid needs type beside it: the kind of the thing")
        wanted, asked = self._wanted(caller), span(self.page, self.page_size, caller)
        spans: list[Span] = []
        async for some in caller.cloud.view(Usage).between(self.start_date, self.end_date):
            spans += filter(wanted, some)
        count, shown = 0, list[Part]()
        async for used in self._parts(spans, caller):
            shown += await _shown(used, count, asked)
            count += len(used)
            await free(used)
        await free(spans)
        cloud, tags = caller.cloud, self._with_tags
        records = [
            record(one.span, one.used_ms, one.bounds, cloud, with_tags=tags) for one in shown
        ]
        return Page(count, records)

    @property
    def _with_tags(self) -> bool:
        return bool(self.include_tags)

    def _wanted(self, caller: Caller) -> Callable[[Span], bool]:
        reached, word = self._reach(caller), (self.keyword or "").casefold()
        thing = (self.usage_id or "").lower()

        def wanted(span: Span) -> bool:
            return (
                reached(span)
                and self.type in (None, span.meter.kind)
                and thing in ("", str(span.thing_id), str(span.meter.about))
                and word in span.meter.name.casefold()
            )

        return wanted

    def _reach(self, caller: Caller) -> Callable[[Span], bool]:
        """Whose usage: that of all whom the caller governs, unless it is said."""
        who, cloud = caller.identity, caller.cloud
        account_id = self.account_id
        if self.project_id is not None:
            account_id, _ = owner_for(caller, project_id=self.project_id)
        elif self.account is not None:
            account_id = named_account(caller, self.account, self.domain_id)
        if account_id is not None:
            return lambda one: one.account_id == account_id
        if self.domain_id is None and who.is_root:
            return lambda one: True
        top = self.domain_id or who.domain_id
        if not governs(who, cloud, top):
            raise Denied(f"account {who.account} does not administer domain {top}: name none")
        row = cloud[domains].get(top)
        path = row.path if row else ""
        deep = self.is_recursive or self.domain_id is None
        tree = {d.id for d in cloud[domains] if is_below(d.path, path)} if row and deep else {top}
        return lambda one: one.domain_id in tree

    async def _parts(self, spans: list[Span], caller: Caller) -> AsyncIterator[list[Part]]:
        """For each part of the period each thing with what it was used for together."""
        cloud, live = caller.cloud, caller.cloud is caller.engine.cloud
        known_ms = caller.now_ms if live else cloud.at_ms
        last_ms = min(self.end_date, known_ms)
        if not spans or last_ms <= self.start_date:
            return
        first_ms = max(self.start_date, min(span.begin_ms for span in spans))
        for begin_ms, end_ms in slices(first_ms, last_ms, *_manner(caller)):
            begin_ms, until_ms = max(begin_ms, self.start_date), min(end_ms, self.end_date)
            bounds = date(begin_ms), date(until_ms - 1 if until_ms == end_ms else until_ms)
            used: dict[tuple[object, ...], Part] = {}
            async for some in pieces(spans):
                for one in some:
                    end = min(one.end_ms or known_ms, until_ms, known_ms)
                    took_ms = end - max(one.begin_ms, begin_ms)
                    if took_ms > 0:
                        key = (one.thing_id, one.account_id, one.meter)
                        had = used[key].used_ms if key in used else 0
                        used[key] = Part(one, had + took_ms, bounds)
            yield list(used.values())
            await free(used)


@dataclass(frozen=True, slots=True)
class Part:
    """What one thing was used in one part of the period."""

    span: Span
    used_ms: int
    bounds: tuple[Date, Date]

    @property
    def place(self) -> tuple[int, int, int]:
        """Where it stands in its part: an order that does not depend on who asks when."""
        return self.span.meter.kind, self.span.thing_id.int, self.span.begin_ms


PLACE = attrgetter("place")


async def _shown(used: list[Part], before: int, asked: slice) -> list[Part]:
    """Those of a part of the period, behind so many of earlier ones, that are to be shown."""
    first = max(0, asked.start - before)
    last = len(used) if asked.stop is None else asked.stop - before
    if first >= len(used) or last <= 0:
        return []
    runs = [sorted(some, key=PLACE) async for some in pieces(used, most=SORTED_AT_ONCE)]
    found: list[Part] = []
    async for some in pieces(islice(merge(*runs, key=PLACE), last)):
        found += some
    return found[first:]


def slices(first_ms: int, last_ms: int, zone: tzinfo, every_min: int) -> Iterator[tuple[int, int]]:
    """The days, or parts of days, of a time zone that lie between two moments in part."""
    day = datetime.fromtimestamp(first_ms / 1000, zone).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    while (begin_ms := _ms(day)) < last_ms:
        next_day = (day.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
        end_ms = _ms(next_day)
        step_ms = min(every_min * 60_000, end_ms - begin_ms) if every_min < 1440 else DAY_MS * 2
        while begin_ms < end_ms:
            until_ms = min(begin_ms + step_ms, end_ms)
            if until_ms > first_ms and begin_ms < last_ms:
                yield begin_ms, until_ms
            begin_ms = until_ms
        day = next_day


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _period(first_ms: int, last_ms: int) -> None:
    if first_ms >= last_ms:
        raise InvalidValue("startdate must be before enddate")
    if last_ms - first_ms > PERIOD_MAX_DAYS * DAY_MS:
        raise InvalidValue(f"a period has at most {PERIOD_MAX_DAYS} days: ask for less at a time")


def _is_on(caller: Caller) -> None:
    if value_of(caller.cloud, "enable.usage.server").lower() != "true":
        raise Unsupported("usage is not told here: set enable.usage.server to true")


def _manner(caller: Caller) -> tuple[tzinfo, int]:
    """The time zone of days, and the minutes of a part."""
    name = value_of(caller.cloud, "usage.timezone")
    minutes = int(value_of(caller.cloud, "usage.stats.job.aggregation.range"))
    if name.upper() in ("GMT", "UTC"):
        return UTC, max(10, minutes)
    try:
        return ZoneInfo(name), max(10, minutes)
    except (ZoneInfoNotFoundError, ValueError) as unknown:
        raise InvalidValue(
            f"usage.timezone is {name}, which is no time zone that is known here: change it"
        ) from unknown
