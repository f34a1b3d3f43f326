"""How a row is packed: as an array without names, of what is not as usual, with few ids whole.

A row names a dozen ids and words that many rows name, such as its zone: each is kept once, among
`Words`, and a row says its number there. Fields that most rows leave as they are by default are
left out where a row does. A guest with a card takes some 230 bytes so.

To make a row anew takes six microseconds. Who only tests it has a `glance`: what the bytes decode
to, with the attributes of the row, in a quarter of that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from operator import attrgetter
from types import FunctionType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from aggregates.base import Aggregate
from projections.shared import shared
from projections.table import reads

S = TypeVar("S", bound=Struct)
R = TypeVar("R", bound=Aggregate)
WORDS_MOST = 1 << 16
"""Rows that name what came later name it whole."""
OUTSIDE = ("id", "created_at_ms")
"""What is said outside of the array: by the key of the row, and by its first bytes."""
TWIN_OWN = ("its_number", "its_bytes")
"""Where a glance keeps what says that."""
USUAL, WHOLE = b"\0", b"\1"
_BEGIN = 9
_encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode
_id = msgspec.msgpack.Decoder(UUID).decode
_ID = b"\xc4\x10"
"""What stands before the sixteen bytes of an id. `UUID(int=...)` takes ten times as long."""


class Words:
    """Ids and words that rows share, each with a number; no more than `WORDS_MOST` of them."""

    def __init__(self) -> None:
        self.values: list[UUID | str] = []
        self.numbers: dict[int | str, int] = {}

    @property
    def is_full(self) -> bool:
        return len(self.values) >= WORDS_MOST

    def saved(self) -> list[bytes | str]:
        """All of them, in order: of an id its bytes."""
        return [one.bytes if isinstance(one, UUID) else one for one in self.values]

    def take(self, saved: Iterable[bytes | str]) -> None:
        """Have what was saved, and nothing else."""
        self.values[:] = [shared(_of(one)) if isinstance(one, bytes) else one for one in saved]
        keys = (one.int if isinstance(one, UUID) else one for one in self.values)
        self.numbers.clear()
        self.numbers.update((key, number) for number, key in enumerate(keys))

    def number(self, value: UUID | str) -> int | UUID | str:
        """What stands for it in a packed row: itself, if there are too many."""
        key = value.int if isinstance(value, UUID) else value
        found = self.numbers.get(key)
        if found is None:
            if self.is_full:
                return value
            found = self.numbers[key] = len(self.values)
            self.values.append(shared(value) if isinstance(value, UUID) else value)
        return found


class Shape(Generic[S]):
    """What of a struct is packed, in which order. `common` are the fields that hold words.

    Fields that are required, common or `usual` are always said; the others are left out together.
    """

    def __init__(
        self, kind: type[S], common: Collection[str], usual: Collection[str], words: Words
    ) -> None:
        self.kind, self._common, self._words = kind, frozenset(common), words
        own = OUTSIDE if issubclass(kind, Aggregate) else ()
        told = [one for one in fields(kind) if one.name not in own]
        self._hints = get_type_hints(kind)
        said = {one.name for one in told if one.required} | self._common | set(usual)
        self.said = [one for one in told if one.name in said]
        self.said.sort(key=lambda one: not one.required)
        self.whole = [*self.said, *(one for one in told if one.name not in said)]
        left_out = self.whole[len(self.said) :]
        self._lists: dict[str, Shape[Any]] = {
            one.name: Shape(item, common, usual, words)
            for one in self.said
            if (item := self._listed(one.name)) is not None
        }
        self._defaults = tuple(map(_default, left_out))
        self._read = reads(tuple(one.name for one in self.said))
        self._read_left_out = reads(tuple(one.name for one in left_out))
        names = [one.name for one in self.said]
        numbered = [at for at, name in enumerate(names) if name in self._common]
        self._ids_at = [at for at in numbered if _is_id(self._hints[names[at]])]
        self._words_at = [at for at in numbered if at not in self._ids_at]
        self._lists_at = [(names.index(name), shape) for name, shape in self._lists.items()]

    def values(self, one: S) -> list[Any]:
        """What is packed of a struct."""
        words = self._words
        values = list(self._read(one))
        left_out = self._read_left_out(one)
        if left_out != self._defaults:
            values += left_out
        known = words.numbers.get
        for at in self._ids_at:
            value = values[at]
            if value is not None:
                number = known(value.int)
                values[at] = words.number(value) if number is None else number
        for at in self._words_at:
            value = values[at]
            if value is not None:
                number = known(value)
                values[at] = words.number(value) if number is None else number
        for at, shape in self._lists_at:
            values[at] = [shape.values(item) for item in values[at]]
        return values

    def is_whole(self, values: list[Any]) -> bool:
        """Are these all, with nothing left out?"""
        return len(values) > len(self.said)

    def twin(self, told: list[FieldInfo], more: Mapping[str, Any] | None = None) -> Any:
        """A struct of these fields as they are packed, in which whoever looks sees the words.

        `more` is what else it has. A field that holds a word's number has a name of its own.
        """
        shapes: list[Any] = [
            (self._field(one.name), self._packed(one.name), *_given(one)) for one in told
        ]
        seen = {one.name: self._word(one.name) for one in told if one.name in self._common}
        return msgspec.defstruct(
            f"Packed{self.kind.__name__}",
            [*shapes, *((name, Any, None) for name in TWIN_OWN if more)],
            namespace={**seen, **(more or {})},
            array_like=True,
            gc=False,
        )

    def maker(self, told: list[FieldInfo], outside: Collection[str] = ()) -> Callable[..., S]:
        """What makes the struct of its twin `t`, and values that are said outside.

        It is written out and compiled, as what builds rows of events is. The names are our own.
        """
        how = {one.name: f"t.{one.name}" for one in told}
        for name in self._common & how.keys():
            how[name] = f"(words[v] if (v := t.{self._field(name)}).__class__ is int else v)"
        for name in self._lists.keys() & how.keys():
            how[name] = f"[{name}_of(one) for one in t.{name}]"
        how |= {name: name for name in outside}
        source = ", ".join(f"{name}={value}" for name, value in how.items())
        known: dict[str, Any] = {"kind": self.kind, "words": self._words.values}
        known |= {f"{name}_of": one.maker(one.whole) for name, one in self._lists.items()}
        made: Callable[..., S] = eval(f"lambda {', '.join(('t', *outside))}: kind({source})", known)
        return made

    def _field(self, name: str) -> str:
        """What a twin calls a field."""
        return f"packed_{name}" if name in self._common else name

    def _word(self, name: str) -> property:
        """What shows the word that a field of a twin holds, or holds the number of."""
        values, read = self._words.values, attrgetter(self._field(name))

        def shown(twin: Any) -> Any:
            value = read(twin)
            return values[value] if value.__class__ is int else value

        return property(shown)

    def _packed(self, name: str) -> Any:
        if name in self._lists:
            inner = self._lists[name]
            return list[inner.twin(inner.whole)]  # type: ignore[misc]
        return self._hints[name] | int if name in self._common else self._hints[name]

    def _listed(self, name: str) -> type[Struct] | None:
        """The struct that a field has a list of, if that names what is common."""
        hint = self._hints[name]
        item = get_args(hint)[0] if get_origin(hint) is list else None
        if not (isinstance(item, type) and issubclass(item, Struct)):
            return None
        return item if self._common & set(item.__struct_fields__) else None


class Form(Generic[R]):
    """Packs rows of one kind as bytes, and makes them anew of these."""

    def __init__(
        self, kind: type[R], common: Collection[str], usual: Collection[str], words: Words
    ) -> None:
        self._shape = shape = Shape(kind, common, usual, words)
        decoder = msgspec.msgpack.Decoder
        self._usual = decoder(shape.twin(shape.said)).decode
        self._whole = decoder(shape.twin(shape.whole)).decode
        self._glance = decoder(shape.twin(shape.whole, _seen_as(kind))).decode
        self._of_usual = shape.maker(shape.said, OUTSIDE)
        self._of_whole = shape.maker(shape.whole, OUTSIDE)

    def pack(self, row: R) -> bytes:
        values = self._shape.values(row)
        how = WHOLE if self._shape.is_whole(values) else USUAL
        return how + row.created_at_ms.to_bytes(_BEGIN - 1, "big") + _encode(values)

    def unpack(self, packed: bytes, number: int) -> R:
        """The row whose id has this number."""
        told, row_id = memoryview(packed)[_BEGIN:], _id_of(number)
        if packed[0]:
            return self._of_whole(self._whole(told), row_id, created_of(packed))
        return self._of_usual(self._usual(told), row_id, created_of(packed))

    def glance(self, packed: bytes, number: int) -> Any:
        """What has the attributes of that row, and is none."""
        seen = self._glance(memoryview(packed)[_BEGIN:])
        seen.its_number, seen.its_bytes = number, packed
        return seen


def _seen_as(kind: type[Aggregate]) -> dict[str, Any]:
    """What a glance has besides fields: what is said outside, and what the kind derives."""
    own = {
        name: one for name, one in vars(kind).items() if isinstance(one, (property, FunctionType))
    }
    return own | {
        "KIND": kind.KIND,
        "id": property(lambda seen: _id_of(seen.its_number)),
        "created_at_ms": property(lambda seen: created_of(seen.its_bytes)),
    }


def _id_of(number: int) -> UUID:
    return _of(number.to_bytes(16, "big"))


def _of(its_bytes: bytes) -> UUID:
    found: UUID = _id(_ID + its_bytes)
    return found


def created_of(packed: bytes) -> int:
    """When a packed row was created, in ms; nothing is unpacked for it."""
    return int.from_bytes(packed[1:_BEGIN], "big")


def _is_id(hint: Any) -> bool:
    return hint is UUID or UUID in get_args(hint)


def _default(one: FieldInfo) -> Any:
    return one.default if one.default_factory is NODEFAULT else one.default_factory()


def _given(one: FieldInfo) -> tuple[Any, ...]:
    """The default of a field as a struct's definition says it."""
    if one.default_factory is not NODEFAULT:
        return (msgspec.field(default_factory=one.default_factory),)
    return () if one.default is NODEFAULT else (one.default,)
