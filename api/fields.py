"""What a parameter or an answer's field may say about itself, and how that is read from a class.

A field is `name: Annotated[type, "sentence", *marks]`. The marks are values of this module. This
module knows types and wire names; it knows no command, no request and no row.
"""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Annotated, Any, NewType, Union, get_args, get_origin, get_type_hints, overload
from uuid import UUID

import msgspec

Moment = NewType("Moment", int)
"""A parameter that is a point in time, as milliseconds since 1970 (UTC)."""

Date = NewType("Date", str)
"""A field of an answer that is a point in time, already in its wire form; made by `date`."""

EVERY = UUID(int=(1 << 128) - 1)
"""What `-1` means for an id parameter that allows it: every thing of that kind."""


@overload
def date(at_ms: int) -> Date: ...
@overload
def date(at_ms: None) -> None: ...
def date(at_ms: int | None) -> Date | None:
    """The wire form of a time: `2025-10-30T13:51:39+0000`, always UTC."""
    return None if at_ms is None else _second(at_ms // 1000)


@lru_cache(maxsize=4096)
def _second(at_s: int) -> Date:
    """Much is told of the same seconds, and a time costs as much to write as a whole row."""
    return Date(datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S%z"))


class DeclarationError(TypeError):
    """A command or view is declared in a way that could mislead; the process must not start."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A number from `at_least` to `at_most`, both allowed."""

    at_least: float | None = None
    at_most: float | None = None

    def __call__(self, value: Any) -> None:
        if self.at_least is not None and value < self.at_least:
            raise ValueError(f"must be at least {self.at_least}")
        if self.at_most is not None and value > self.at_most:
            raise ValueError(f"must be at most {self.at_most}")


@dataclass(frozen=True, slots=True)
class Length:
    """Text of at most `at_most` characters instead of the usual 255."""

    at_most: int


class OneOf:
    """Text that is one of these words, in any case; the declared spelling is what comes out."""

    def __init__(self, *words: str) -> None:
        self.words = {word.lower(): word for word in words}

    def spell(self, value: str) -> str:
        try:
            return self.words[value.lower()]
        except KeyError:
            raise ValueError(f"must be one of {', '.join(self.words.values())}") from None


@dataclass(frozen=True, slots=True)
class Matches:
    """Text that matches a regular expression as a whole; `why` completes 'must be ...'."""

    pattern: str
    why: str

    def __call__(self, value: Any) -> None:
        if re.fullmatch(self.pattern, str(value)) is None:
            raise ValueError(f"must be {self.why}")


@dataclass(frozen=True, slots=True)
class Names:
    """Which noun an id names and the right that the caller needs on it.

    `right` is one of `api.authz.Right`: `see`, `use` or `operate`. An id that may name one of
    several nouns gives a tuple of kinds. Where another parameter says which (createTags), `kind`
    maps that parameter's words (lower case) to kinds and `by` is its attribute name.
    `every` lets the caller send -1, which arrives as `EVERY`.
    """

    kind: str | tuple[str, ...] | Mapping[str, str]
    right: str = "use"
    by: str = ""
    every: bool = False
    kinds: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """All that it may name."""

    def __post_init__(self) -> None:
        kind = self.kind
        several = tuple(kind.values()) if isinstance(kind, Mapping) else kind
        object.__setattr__(self, "kinds", (kind,) if isinstance(kind, str) else several)


@dataclass(frozen=True, slots=True)
class Free:
    """This parameter looks like an id but names nothing that a right could guard; says why."""

    why: str


@dataclass(frozen=True, slots=True)
class Later(Free):
    """Known and not offered yet: a value that asks for it is refused, never silently forgotten.

    `why` says what is not there. Empty text, 0 and false ask for nothing, and pass.
    """

    def refusal(self, value: Any) -> str | None:
        """Why this value is refused, if it is. The value is not told again: it may be secret."""
        return f"is not offered by this cloud ({self.why}): leave it out" if value else None


@dataclass(frozen=True, slots=True)
class Idle(Free):
    """Taken and without effect, as no answer could differ by it; `why` says so."""


@dataclass(frozen=True, slots=True)
class Wire:
    """Overrides: another name on the wire, another type word in listApis, or another version."""

    name: str = ""
    type: str = ""
    since: str = ""


class Roles:
    """Only these role types see the field or may send the parameter; for others it vanishes."""

    def __init__(self, *role_types: str) -> None:
        self.role_types = frozenset(role_types)


class Kind(Enum):
    """The shape of a value on the wire; the word is what listApis says."""

    UUID = "uuid"
    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    FLOAT = "float"
    DATE = "date"
    LIST = "list"
    MAP = "map"
    OBJECT = "responseobject"


SIMPLE: dict[Any, Kind] = {
    UUID: Kind.UUID,
    str: Kind.STRING,
    int: Kind.INTEGER,
    bool: Kind.BOOLEAN,
    float: Kind.FLOAT,
    Moment: Kind.DATE,
    Date: Kind.DATE,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One annotated field, read. `of` is the element of a list, an entry class, or an enum.

    `roles` are the role types that have it; None is all of them.
    """

    attr: str
    wire: str
    kind: Kind
    doc: str
    required: bool = False
    of: Any = None
    element: Kind | None = None
    nullable_values: bool = False
    sequence: type = tuple
    marks: tuple[Any, ...] = ()
    roles: frozenset[str] | None = None
    found: dict[type[Any], Any] = field(default_factory=dict, repr=False, compare=False)
    checks: tuple[Callable[[Any], None], ...] = field(init=False, repr=False, compare=False)
    is_later: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "checks", tuple(filter(callable, self.marks)))
        object.__setattr__(self, "is_later", self.mark(Later) is not None)

    def mark(self, kind: type[Any]) -> Any:
        """The mark of this class, or None."""
        if kind not in self.found:
            of_kind = (mark for mark in self.marks if isinstance(mark, kind))
            self.found[kind] = next(of_kind, None)
        return self.found[kind]

    @property
    def wire_type(self) -> str:
        over = self.mark(Wire)
        return over.type if over is not None and over.type else self.kind.value

    def open_to(self, role_type: str) -> bool:
        """Does this field exist for callers of this role type?"""
        return self.roles is None or role_type in self.roles


def wire_name(attr: str) -> str:
    """CloudStack's spelling: lower case without underscores."""
    return attr.replace("_", "").lower()


def is_entry(cls: Any) -> bool:
    """Is this a class of annotated fields itself: an `@entry`, or a view within a view?"""
    return isinstance(cls, type) and (
        dataclasses.is_dataclass(cls) or hasattr(cls, "__struct_fields__")
    )


def _no_none(hint: Any) -> tuple[Any, bool]:
    """The type without `| None`, and whether that was there."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    rest = [one for one in get_args(hint) if one is not type(None)]
    if len(rest) != 1:
        raise DeclarationError(f"{hint}: a field has one type, or that and None")
    return rest[0], True


def _classify(hint: Any) -> dict[str, Any]:
    """Kind and element of a type, as the arguments of a `Field`."""
    if hint in SIMPLE:
        return {"kind": SIMPLE[hint]}
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {"kind": Kind.STRING, "of": hint}
    origin, args = get_origin(hint), get_args(hint)
    if origin in (list, tuple, set, frozenset) and args:
        inner = _classify(args[0])
        if inner["kind"] is Kind.OBJECT:
            return {"kind": Kind.LIST, "of": args[0], "element": Kind.OBJECT, "sequence": origin}
        return {"kind": Kind.LIST, "of": inner.get("of"), "element": inner["kind"]} | {
            "sequence": origin
        }
    if origin is dict or hint is dict:
        nullable = bool(args) and _no_none(args[1])[1]
        return {"kind": Kind.MAP, "nullable_values": nullable}
    if is_entry(hint):
        return {"kind": Kind.OBJECT, "of": hint}
    raise DeclarationError(f"{hint} has no form on the wire")


def _known(cls: type) -> list[tuple[str, str, bool]]:
    """Each field in order: its attribute, its name on the wire, and whether it must be given."""
    if dataclasses.is_dataclass(cls):
        missing = dataclasses.MISSING
        return [
            (one.name, "", one.default is missing and one.default_factory is missing)
            for one in dataclasses.fields(cls)
        ]
    return [(one.name, one.encode_name, one.required) for one in msgspec.structs.fields(cls)]


_READ: dict[type, tuple[Field, ...]] = {}


def read(cls: type) -> tuple[Field, ...]:
    """The annotated fields of a dataclass or a struct, in order; each class is read once."""
    if cls not in _READ:
        _READ[cls] = _fields(cls)
    return _READ[cls]


def _fields(cls: type) -> tuple[Field, ...]:
    hints = get_type_hints(cls, include_extras=True)
    found = []
    for attr, encoded, required in _known(cls):
        hint = hints[attr]
        if get_origin(hint) is not Annotated or not isinstance(get_args(hint)[1], str):
            raise DeclarationError(f"{cls.__name__}.{attr} has no sentence that documents it")
        inner, doc, *marks = get_args(hint)
        bare, _ = _no_none(inner)
        over = next((mark for mark in marks if isinstance(mark, Wire)), Wire())
        found.append(
            Field(
                attr=attr,
                wire=encoded or over.name or wire_name(attr),
                doc=doc,
                required=required,
                marks=tuple(marks),
                roles=next((one.role_types for one in marks if isinstance(one, Roles)), None),
                **_classify(bare),
            )
        )
    return tuple(found)
