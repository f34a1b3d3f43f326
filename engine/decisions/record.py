"""Decides every data noun: what it names exists, what must be unique is, what is needed stays.

A noun with rules of its own says them once, for every way of making, changing and removing it:

    @rule("static_route")
    def route_is_free(one: Proposed, desk: Desk) -> None: ...

    @farewell("network_acl")
    def take_its_items(row: NetworkAcl, desk: Desk) -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from aggregates.base import Aggregate
from aggregates.errors import AlreadyExists, InUse, NotFound
from aggregates.name import NameClaimed, name_ledger
from aggregates.record import RECORDS, RecordSpec
from engine.decide import DECISIONS, Desk, decision
from engine.intents.record import CreateRecord, RemoveRecord, Together, UpdateRecord
from projections.names import Names
from projections.table import TABLES, TYPED_BY_PEOPLE, Table

R = TypeVar("R", bound=Callable[..., None])
# Parts of rows that nobody sees: what has them names the same, and is what can be removed.
UNSEEN = ("address_space",)
# What the offering of a noun is called, where not as the noun.
OFFERED = {"volume": "disk"}


@dataclass(frozen=True, slots=True)
class Proposed:
    """A row as it shall be. A rule may write `fields` in their usual form; `row` is what is now."""

    id: UUID
    fields: dict[str, Any]
    row: Any = None

    def __getitem__(self, name: str) -> Any:
        """A field as it will be: as proposed, else as it is, else empty."""
        if name in self.fields:
            return self.fields[name]
        return getattr(self.row, name, None)

    def changes(self, *names: str) -> bool:
        """Does any of these come out other than it is?"""
        return self.row is None or any(self[name] != getattr(self.row, name) for name in names)


RULES: dict[str, Callable[[Proposed, Desk], None]] = {}
FAREWELLS: dict[str, Callable[[Any, Desk], None]] = {}


def rule(kind: str) -> Callable[[R], R]:
    """Register what must be so of a noun beyond its types: it refuses, or writes the usual form."""

    def register(fn: R) -> R:
        assert kind not in RULES, f"two rules for {kind}"
        RULES[kind] = fn
        return fn

    return register


def farewell(kind: str) -> Callable[[R], R]:
    """Register what happens before a row of a noun is removed: it refuses, or takes its parts."""

    def register(fn: R) -> R:
        assert kind not in FAREWELLS, f"two farewells for {kind}"
        FAREWELLS[kind] = fn
        return fn

    return register


@decision
def create(ask: CreateRecord, desk: Desk) -> None:
    spec = RECORDS[ask.kind]
    fields = _ruled(ask.kind, Proposed(ask.id, dict(ask.fields)), desk)
    _refer(spec, fields, desk)
    _unique(spec, fields, desk, None)
    first = spec.create(fields)
    desk.create(ask.id, first)
    for names in spec.unique:
        _claim(spec, names, first, ask.id, desk)


@decision
def update(ask: UpdateRecord, desk: Desk) -> None:
    spec = RECORDS[ask.kind]
    row = desk.row(TABLES[ask.kind], ask.id)
    fields = _ruled(ask.kind, Proposed(ask.id, dict(ask.fields), row), desk)
    _refer(spec, fields, desk)
    merged = {name: fields.get(name, getattr(row, name)) for name in spec.hints}
    _unique(spec, merged, desk, row)
    changed = spec.update(row, fields)
    if changed is None:
        return
    before = {name: getattr(row, name) for names in spec.unique for name in names}
    desk.change(row, changed)
    for names in spec.unique:
        if any(name in fields and fields[name] != before[name] for name in names):
            _claim(spec, names, merged, row.id, desk)


@decision
def remove(ask: RemoveRecord, desk: Desk) -> None:
    row = desk.row(TABLES[ask.kind], ask.id)
    if ask.kind in FAREWELLS:
        FAREWELLS[ask.kind](row, desk)
    unneeded(ask.kind, row, desk)
    desk.change(row, RECORDS[ask.kind].removed())


@decision
def together(ask: Together, desk: Desk) -> list[Any]:
    return [DECISIONS[type(one)](one, desk) for one in ask.asks]


def _ruled(kind: str, one: Proposed, desk: Desk) -> dict[str, Any]:
    """The fields that were proposed, as the noun's rule leaves them."""
    if kind in RULES:
        RULES[kind](one, desk)
    return one.fields


def unneeded(kind: str, row: Aggregate, desk: Desk, *, but: Iterable[str] = ()) -> None:
    """Refuse to remove what something else still names, `but` nouns that go with it."""
    kept = (*but, *UNSEEN)
    for other, spec in ((name, spec) for name, spec in TABLES.items() if name not in kept):
        references = _references(other)
        for attribute, names in references.items():
            if names != kind or attribute not in spec.row.__struct_fields__:
                continue
            rows = naming(desk, other, attribute, row.id)
            stays = (one for one in rows if one is not row and not desk.draft.removes(one.id))
            found = next(stays, None)
            if found is not None:
                what = getattr(found, "name", found.id)
                raise InUse(
                    f"{kind.replace('_', ' ')} {getattr(row, 'name', row.id)} is in use by "
                    f"{other.replace('_', ' ')} {what}: remove that first"
                )


def naming(desk: Desk, kind: str, attribute: str, row_id: UUID) -> Iterable[Any]:
    """The rows of a noun whose attribute names this id, whether or not an index knows them.

    Where none does, each is glanced at, and stays packed.
    """
    spec = TABLES[kind]
    table = desk.cloud[spec]
    if attribute in spec.indexed:
        return table.by(attribute, row_id)
    return table.picked().passing((lambda one: getattr(one, attribute) == row_id,))


def remove_parts(desk: Desk, kind: str, attribute: str, row_id: UUID) -> None:
    """Remove every row of a noun whose attribute names this id, each with its own farewell."""
    for one in list(naming(desk, kind, attribute, row_id)):
        if not desk.draft.removes(one.id):
            remove(RemoveRecord(kind=kind, id=one.id), desk)


def _references(kind: str) -> dict[str, str]:
    """What a noun's attributes name: as its record says, else by the name `<noun>_id`."""
    if kind in RECORDS:
        return dict(RECORDS[kind].references)
    fields = TABLES[kind].row.__struct_fields__
    named = {name: name.removesuffix("_id") for name in fields if name.endswith("_id")}
    named |= {
        name: f"{OFFERED.get(kind, kind)}_offering" for name in fields if name == "offering_id"
    }
    return {name: noun for name, noun in named.items() if noun in TABLES}


def _refer(spec: RecordSpec, fields: dict[str, Any], desk: Desk) -> None:
    for attribute, noun in spec.references.items():
        named: UUID | None = fields.get(attribute)
        if named is None:
            continue
        try:
            desk.draft.guard(desk.row(TABLES[noun], named))
        except NotFound as missing:
            raise NotFound(f"{attribute} names no {noun.replace('_', ' ')}: {named}") from missing


def _unique(spec: RecordSpec, fields: dict[str, Any], desk: Desk, but: Aggregate | None) -> None:
    table = desk.cloud[TABLES[spec.row.KIND]]
    for names in spec.unique:
        wanted = tuple(_value(fields, name) for name in names)
        for row in _like(table, names, fields):
            if row is not but and tuple(_value(row, name) for name in names) == wanted:
                noun = spec.row.KIND.replace("_", " ")
                raise AlreadyExists(
                    f"{noun} with {' and '.join(_told(spec, n, row, desk) for n in names)} "
                    "already exists: choose another"
                )


def _told(spec: RecordSpec, name: str, row: Aggregate, desk: Desk) -> str:
    """What a row has there, in words: what it refers to by its name, and not by an id."""
    value, noun = getattr(row, name), spec.references.get(name)
    if noun is None:
        return f"{name.replace('_', ' ')} {value}"
    referred = desk.cloud[TABLES[noun]].get(value)
    return f"{noun.replace('_', ' ')} {getattr(referred, 'name', value)}"


def _like(table: Table[Any], names: Sequence[str], fields: dict[str, Any]) -> Iterable[Any]:
    """The few rows that could hold the same names, if an index knows them."""
    for name in names:
        if name in table.spec.folded and isinstance(fields.get(name), str):
            return table.by_text(name, fields[name])
    index = next((one for one in names if one in table.spec.indexed), None)
    return table.by(index, fields.get(index)) if index else table


def _claim(spec: RecordSpec, names: Sequence[str], fields: object, owner: UUID, desk: Desk) -> None:
    claim(spec.row.KIND, {name: _value(fields, name) for name in names}, owner, desk)


def claim(kind: str, named: Mapping[str, object], owner: UUID, desk: Desk) -> None:
    """Take these names. Whoever takes them at the same moment decides again, and is refused."""
    ledger = name_ledger(kind, list(named), list(named.values()))
    claimed = NameClaimed(
        kind=kind,
        fields=list(named),
        values=[str(value) for value in named.values()],
        owner=owner,
    )
    desk.draft.append(ledger, desk.cloud.view(Names).version(ledger), claimed)


def _value(fields: object, name: str) -> object:
    """What is compared: what people type is looked up in any case, so case makes no two names."""
    value = fields.get(name) if isinstance(fields, dict) else getattr(fields, name)
    return value.casefold() if name in TYPED_BY_PEOPLE and isinstance(value, str) else value
