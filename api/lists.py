"""A list command is its filters; everything else that lists share is added here.

    @list_command("listPods", view=PodView, table=pods, key="pod", scope="catalogue")
    class ListPods:
        \"\"\"List the pods of a zone.\"\"\"

        zone_id: Annotated[UUID | None, "pods of this zone", Names("zone", right="see")] = None

A filter compares with the row's attribute of the same name; `Filter` says otherwise. A class may
define `matches(row, caller)`, `tests(caller)` (conditions that only some questions need),
`visible(row, caller)` (what the scope alone cannot say),
`rows(caller)` (where to look) and `show(row, caller)` (another way to make the view).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from enum import StrEnum
from functools import cached_property
from itertools import chain, islice
from operator import attrgetter
from types import FunctionType
from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast, dataclass_transform
from uuid import UUID

from api.authz import NOUNS, Right, Verdict, judge, noun
from api.caller import Caller
from api.declare import Page, View, completed, part, register
from api.errors import ParamError
from api.fields import Bound, DeclarationError, Field, Idle, Later, Names, read
from api.found import EVERYTHING as EVERY_ROW
from api.scope import Asked, Reach, reach_of
from api.views.resource_icon import icon_of
from api.walks import passing, timed
from projections.cold import Cold
from projections.picked import Picked
from projections.setting import value_of
from projections.table import TABLES, Table, TableSpec
from projections.tag import tagged, tags_on

L = TypeVar("L")
Test = Callable[[Any], bool]
ListScope = Literal["owned", "catalogue", "admin", "custom"]
PAGE = "default.page.size"
EVERYTHING = slice(None)
FEW = 500
"""So many rows are found anew each time."""


@dataclass(frozen=True, slots=True)
class Filter:
    """How a filter finds its rows: by another attribute, or by a test of row and value.

    `Filter()` with neither filters nothing: the value is for `matches` or `show`. Text is compared
    without regard to case, unless it is `exact`: then it is spelled as in rows, and an index helps.
    """

    attr: str = ""
    test: Callable[[Any, Any], bool] | None = None
    exact: bool = False


@dataclass(frozen=True, slots=True)
class ListPlan:
    """What a list is about, read once from its declaration."""

    kind: str
    view: type[View]
    keyword: tuple[str, ...]
    scope: ListScope
    filters: tuple[tuple[str, Filter], ...]


def cut(found: list[Any], page: int | None, page_size: int | None, caller: Caller) -> list[Any]:
    """One page of what was found; without paging as many as a setting says, usually 500."""
    return found[span(page, page_size, caller)]


def span(page: int | None, page_size: int | None, caller: Caller) -> slice:
    """Which of the rows found are shown."""
    if (page is None) != (page_size is None) and page_size != -1:
        raise ParamError("page and pagesize are given together, or neither is")
    if page_size == -1:
        return slice(0, None)
    most = int(value_of(caller.engine.cloud, PAGE))
    if page_size is not None and not 1 <= page_size <= most:
        raise ParamError(f"pagesize is from 1 to {most}, not {page_size}")
    size = page_size or most
    start = ((page or 1) - 1) * size
    return slice(start, start + size)


@part
class ListAsk:
    """What every list takes, and how every list is answered."""

    PLAN: ClassVar[ListPlan]
    ORDER: ClassVar[str] = "created_at_ms"

    keyword: Annotated[str | None, "text that a name-like field contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    def matches(self, row: Any, caller: Caller) -> bool:
        """Another condition that no single filter can say."""
        return True

    def visible(self, row: Any, caller: Caller) -> bool:
        """May this caller see the row, beyond what the scope says?"""
        return True

    def rows(self, caller: Caller) -> Iterable[Any] | None:
        """A better place to look than the table, or None."""
        return None

    def show(self, row: Any, caller: Caller) -> Any:
        """The answer for a row."""
        return self.PLAN.view.of(row, caller.cloud)

    def tags_on(self, row: Any, caller: Caller) -> Mapping[str, str]:
        """The tags of a row."""
        return tags_on(caller.cloud, row.id)

    def asked(self) -> list[tuple[Filter, Any]]:
        """The filters that were given, with their values."""
        if getattr(self, "id", None) is not None and getattr(self, "ids", None):
            raise ParamError("id and ids exclude each other: leave one out")
        found = ((how, getattr(self, attr)) for attr, how in self.PLAN.filters)
        return [(how, value) for how, value in found if value is not None]

    @cached_property
    def filters(self) -> list[tuple[Filter, Any]]:
        """`asked`, once: a list that is sent again is the same object again."""
        return self.asked()

    def tests(self, caller: Caller) -> Iterator[Test]:
        """Conditions that only some questions need; cheaper than `matches`, which all pay for.

        One that looks at the row alone is an `attrgetter` or a function without a closure: what
        it finds may then be kept.
        """
        return iter(())

    async def run(self, caller: Caller) -> Page:
        """Find, count, cut out the page and show it."""
        count, rows = await self.find(caller, span(self.page, self.page_size, caller))
        if getattr(self, "retrieve_only_resource_count", False):
            return Page(count, ())
        if rows and isinstance(rows, Picked) and caller.memo and self.shown_alike():
            ready = caller.memo.page(self.PLAN.view, caller.role_type, rows)
            return Page(count, (), ready)
        return Page(count, self.answers(rows, caller))

    def answers(self, rows: Sequence[Any], caller: Caller) -> Sequence[Any]:
        """What is shown of rows that are not shown alike whatever was asked."""
        items = [self.show(row, caller) for row in rows]
        if getattr(self, "show_icon", False):
            for row, item in zip(rows, items, strict=True):
                item.icon = icon_of(row.id, caller.cloud)
        return items

    def shown_alike(self) -> bool:
        """Is every row shown as its view makes it, whatever was asked?"""
        made = type(self)
        own = (made.run, made.rows, made.show)
        alike = own == (ListAsk.run, ListAsk.rows, ListAsk.show)
        return alike and not getattr(self, "show_icon", False)

    async def find(self, caller: Caller, part: slice = EVERYTHING) -> tuple[int, Sequence[Any]]:
        """How many there are, and this part of them, in order of creation.

        It starts from the smallest set that an index offers and asks only what is left to ask. What
        is found among many rows is kept for whoever asks the same again, if rows alone decide it.
        """
        table = caller.cloud.table(self.PLAN.kind)
        reach = reach_of(cast(Asked, self), caller) if self.PLAN.scope == "owned" else None
        more = list(self.tests(caller))
        rows: Any = self.rows(caller)
        question = None
        if rows is None:
            question = self._question(caller, table, self.filters, reach, more)
        keeper = caller.found
        if keeper is None or question is None:
            found = await self._walk(caller, self._where(caller, table, rows, reach, more))
        elif (kept := keeper.get(table, question)) is not None:
            found = kept
        else:
            async with keeper.turns.turn((self.PLAN.kind, question)):
                again = keeper.get(table, question)
                if again is not None:
                    return len(again), again[part]
                where = self._where(caller, table, rows, reach, more)
                found = await self._kept(caller, where, question)
        return len(found), found[part]

    def _where(
        self, caller: Caller, table: Any, rows: Any, reach: Reach | None, more: list[Test]
    ) -> Where:
        """Among which rows to look, and what to ask of them."""
        told, asked = Told(), self.filters
        if rows is None:
            rows, told = _narrowest(table, asked, reach)
            rows, told = self._tagged(caller, rows, told)
        tests = [_test(how, value) for how, value in asked if how is not told.filter]
        if reach is not None and not reach.is_everything and not told.reach:
            tests.append(reach.holds)
        tests += [*more, *self._tests(caller, reach, told)]
        answered = [_test(how, value) for how, value in asked if how is told.filter]
        if told.reach and reach is not None:
            answered.append(reach.holds)
        return Where(table, rows, tests, answered)

    async def _walk(self, caller: Caller, where: Where) -> Sequence[Any]:
        """Look at the rows, and put what is found in order."""
        found: Sequence[Any] = await _passing(where)
        if where.rows is where.table and self.ORDER == ListAsk.ORDER:
            return found
        # The table is in order of creation; an index may not be, and pages need one order.
        return await _in_order(found, self.ORDER)

    async def _kept(self, caller: Caller, where: Where, question: Hashable) -> Sequence[Any]:
        """The same, kept unless little had to be looked at."""
        if len(where.rows) <= FEW or caller.found is None:
            return await self._walk(caller, where)
        with caller.found.walk(where.table) as walk:
            found, tests = await _passing(where), [*where.tests, *where.answered]
            is_ranked = where.rows is where.table
            return await caller.found.keep(
                where.table, question, found, tests, walk, is_ranked=is_ranked
            )

    def _question(
        self,
        caller: Caller,
        table: Any,
        asked: list[tuple[Filter, Any]],
        reach: Reach | None,
        more: list[Test],
    ) -> Hashable | None:
        """All that decides about a row, if that is asked of the row alone; else None.

        Few rows are as quickly found anew. A tag, a right or the time is no part of a row.
        """
        made, live = type(self), caller.found is not None and type(table) in (Table, Cold)
        if not live or len(table) <= FEW or self.ORDER != ListAsk.ORDER or self._wanted_tags():
            return None
        if (made.matches, made.visible) != (ListAsk.matches, ListAsk.visible):
            return None
        if reach is None and not caller.is_root:
            return None
        names = [_name_of(test) for test in more]
        if None in names:
            return None
        scope = None if reach is None or reach.is_everything else reach
        word = self.keyword and self.keyword.casefold()
        if not (asked or scope or word or names):
            return EVERY_ROW
        question = (tuple(asked), scope, word, tuple(names))
        try:
            hash(question)
        except TypeError:
            return None
        return question

    def _wanted_tags(self) -> Mapping[str, str]:
        """The tags that a list of owned things asks for; elsewhere the word means another thing."""
        tags = getattr(self, "tags", None)
        return tags if isinstance(tags, dict) else {}

    def _tagged(self, caller: Caller, rows: Any, told: Told) -> tuple[Any, Told]:
        """The rows with the tags that are asked for, if those are fewer than these rows."""
        wanted = self._wanted_tags()
        if not wanted or type(self).tags_on is not ListAsk.tags_on:
            return rows, told
        ids = tagged(caller.cloud, self.PLAN.kind, wanted)
        found = _of_ids(caller.cloud.table(self.PLAN.kind), islice(ids, len(rows)))
        return (found, Told(tags=True)) if len(found) < len(rows) else (rows, told)

    def _tests(self, caller: Caller, reach: Reach | None, told: Told) -> Iterator[Test]:
        """What is asked of a row beside filters, reach and `tests`: rights, keyword, tags, ..."""
        plan, made = self.PLAN, type(self)
        if reach is None and plan.scope != "custom" and not caller.is_root:
            guard, who, cloud = NOUNS[plan.kind], caller.identity, caller.cloud
            yield lambda row: judge(who, Right.SEE, guard, row, cloud) is Verdict.YES
        if self.keyword:
            word = self.keyword.casefold()
            yield lambda row: any(
                word in str(getattr(row, name) or "").casefold() for name in plan.keyword
            )
        tags = self._wanted_tags()
        if tags and not told.tags:
            yield lambda row: bool(tags.items() & self.tags_on(row, caller).items())
        if made.matches is not ListAsk.matches:
            yield lambda row: self.matches(row, caller)
        if made.visible is not ListAsk.visible:
            yield lambda row: self.visible(row, caller)


@part
class ListOwned(ListAsk):
    """What lists of account-owned things take besides."""

    list_all: Annotated[bool | None, "all that the caller may see, not only its own"] = None
    account: Annotated[str | None, "things of this account; the domain is given too"] = None
    domain_id: Annotated[UUID | None, "things in this domain", Names("domain", right="see")] = None
    is_recursive: Annotated[bool | None, "with domainid: also all domains below it"] = None
    project_id: Annotated[
        UUID | None,
        "things of this project; -1 for all projects of the caller",
        Names("project", right="see", every=True),
    ] = None
    tags: Annotated[dict[str, str] | None, "things that carry any of these tags"] = None


NONE_IS = Filter(test=lambda row, wanted: not wanted)
"""For a quality that nothing has here: asking for it finds nothing, asking for the rest all."""


def none_is(row: Any) -> bool:
    """The same among `tests`: nothing passes."""
    return False


@part
class CountOnly:
    """Lists that can be asked how many there are, and nothing more."""

    retrieve_only_resource_count: Annotated[
        bool | None, "only how many there are, and none of them", Filter()
    ] = None


@part
class Displayed:
    """Lists of what only root administrators see while it is not displayed."""

    def tests(self, caller: Caller) -> Iterator[Test]:
        if not caller.is_root:
            yield attrgetter("is_displayed")


@part
class WithIcons:
    """Lists of things that can have an icon."""

    show_icon: Annotated[bool | None, "also the icon of each", Filter()] = None


@dataclass(frozen=True, slots=True)
class Told:
    """What the choice of an index has answered already: a filter, the reach, or the tags."""

    filter: Filter | None = None
    value: Any = None
    reach: bool = False
    tags: bool = False


@dataclass(frozen=True, slots=True)
class Where:
    """Rows to look at, what to ask of each, and what their choice has answered already."""

    table: Any
    rows: Any
    tests: list[Test]
    answered: list[Test]


def _narrowest(
    table: Any, asked: list[tuple[Filter, Any]], reach: Reach | None
) -> tuple[Any, Told]:
    """The smallest set of rows that an index offers for the question; else the table."""
    best, told = table, Told()
    for how, value in asked:
        if how.attr == "id":
            wanted = (value,) if isinstance(value, UUID) else value
            return _of_ids(table, dict.fromkeys(wanted)), Told(how, value)
        # Plain text compares without case, which only some indexes can.
        exact = how.exact or isinstance(value, (UUID, int, StrEnum))
        if exact and how.attr in table.spec.indexed:
            rows = table.by(how.attr, value)
        elif isinstance(value, str) and how.attr in table.spec.folded:
            rows = table.by_text(how.attr, value)
        else:
            continue
        if len(rows) <= len(best):
            best, told = rows, Told(how, value)
    for attribute, allowed in (
        ("account_id", None if reach is None else reach.accounts),
        ("domain_id", None if reach is None else reach.domains),
    ):
        if allowed is not None and attribute in table.spec.indexed and len(allowed) <= 64:
            entries = [table.by(attribute, one).numbers for one in allowed]
            rows = Picked(table, list(chain.from_iterable(entries)))
            if len(rows) < len(best):
                best, told = rows, Told(reach=reach is not None and reach.is_only(attribute))
    return best, told


def _of_ids(table: Any, ids: Iterable[UUID]) -> Sequence[Any]:
    """The rows with these ids that there are."""
    if isinstance(table, Table):
        return Picked(table, [one.int for one in ids if one in table])
    return [row for row in map(table.get, ids) if row is not None]


async def _passing(where: Where) -> Any:
    """Those of the rows, or of the whole table, that pass all tests."""
    rows = where.rows
    if rows is where.table and isinstance(rows, Table):
        rows = rows.picked()
    if isinstance(rows, Picked):
        return await passing(rows, where.tests)
    return [row for row in rows if all(test(row) for test in where.tests)]


async def _in_order(rows: Sequence[Any], attribute: str) -> Sequence[Any]:
    """These rows in the order of an attribute."""
    if not isinstance(rows, Picked):
        return sorted(rows, key=attrgetter(attribute))
    table = rows.table
    if attribute == ListAsk.ORDER:
        numbers, _ = await timed(table, rows.numbers)
        return Picked(table, numbers)
    return Picked(table, sorted(rows.numbers, key=lambda one: getattr(table.at(one), attribute)))


def _name_of(test: Test) -> Hashable | None:
    """What says which test this is, if it looks at the row alone; else None."""
    if isinstance(test, attrgetter):
        return cast(Hashable, test.__reduce__())
    own = isinstance(test, FunctionType) and test.__closure__ is None and not test.__defaults__
    return test if own else None


def _test(how: Filter, value: Any) -> Test:
    """One filter as a test of a row."""
    own_test = how.test
    if own_test is not None:
        return lambda row: own_test(row, value)
    attribute = how.attr
    if isinstance(value, str) and not how.exact:
        folded = value.casefold()
        return lambda row: str(getattr(row, attribute) or "").casefold() == folded
    if isinstance(value, (tuple, list, set, frozenset)):
        wanted = frozenset(value)
        return lambda row: getattr(row, attribute) in wanted
    return lambda row: bool(getattr(row, attribute) == value)


def _identified(kind: str, row: Any) -> type:
    """The id, ids and name filters of a list, as its noun has them."""
    names = Names(kind, right="see")
    several = Annotated[
        tuple[UUID, ...] | None, "several by their ids; excludes id", names, Filter("id")
    ]
    fields: list[tuple[str, Any, Any]] = [
        ("id", Annotated[UUID | None, f"the one {kind} with this id", names], None),
        ("ids", several, None),
    ]
    if row is None or "name" in row.__struct_fields__:
        fields.append(("name", Annotated[str | None, f"the {kind} of this name"], None))
    return make_dataclass("ListIdentified", fields, frozen=True, kw_only=True)


def _is_unused(field: Field) -> bool:
    """Is this parameter refused, or without effect?"""
    return field.mark(Later) is not None or field.mark(Idle) is not None


def _filters(
    name: str, made: type, own: type, base: type, row: Any
) -> tuple[tuple[str, Filter], ...]:
    """Which parameters filter rows, each by an attribute that rows really have.

    Those of every list scope it; one that the class declares itself is a filter like any other.
    """
    shared = {field.name for field in dataclasses.fields(base)} - set(own.__annotations__)
    found = []
    for field in read(made):
        if field.attr in shared:
            continue
        how = field.mark(Filter) or Filter("" if _is_unused(field) else field.attr)
        if how.attr and row is not None and how.attr not in row.__struct_fields__:
            raise DeclarationError(
                f"{name}.{field.attr} filters by {row.__name__}.{how.attr}, which there is not"
            )
        if how.attr or how.test:
            found.append((field.attr, how))
    return tuple(found)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def list_command(
    name: str,
    *,
    view: type[View],
    table: TableSpec[Any] | str,
    key: str,
    keyword: tuple[str, ...] = ("name",),
    scope: ListScope = "owned",
    allow: str = "",
    envelope: str = "",
    since: str = "4.0",
) -> Callable[[type[L]], type[L]]:
    """Register a list. `custom` leaves who sees what to the class's `visible` alone."""
    kind = table if isinstance(table, str) else table.kind
    if scope != "custom":
        noun(kind, scope)

    def declare(cls: type[L]) -> type[L]:
        if scope == "custom" and not {"rows", "visible"} & set(dir(cls)):
            raise DeclarationError(f"{name} does not say who sees what: define rows or visible")
        base = ListOwned if scope in ("owned", "custom") else ListAsk
        known = TABLES.get(kind) if isinstance(table, str) else table
        row = None if known is None else known.row
        icons = hasattr(cls, "show_icon") or hasattr(base, "show_icon")
        if icons and "icon" not in view.__struct_fields__:
            raise DeclarationError(f"{name} shows icons: {view.__name__} needs the field icon")

        part(cls)

        def make() -> type[Any]:
            body = {"__doc__": cls.__doc__, "__module__": cls.__module__}
            parts = completed(cls), _identified(kind, row), completed(base)
            made: Any = type(cls.__name__, parts, body)
            made = dataclass(frozen=True, kw_only=True)(made)
            filters = _filters(name, made, cls, base, row)
            made.PLAN = ListPlan(kind, view, keyword, scope, filters)
            return cast(type[Any], made)

        register(
            name,
            cls,
            make,
            returns=view,
            allow=allow or ("AR" if scope == "admin" else "ARDU"),
            key=key,
            shape="list",
            is_async=False,
            creates=False,
            envelope=envelope or f"{name.lower()}response",
            since=since,
            action="",
            reads=True,
            public=False,
        )
        return cls

    return declare
