"""One object for equal ids and words, as far as they are alive: a zone's id is in all its guests.

Decoding makes each id anew, a hundred bytes a time; a guest's row names a dozen that others name
as well, and half of its lists are empty. What was seen lately is
remembered, no more than `KEPT_IDS` and `KEPT_WORDS`, so the memory of it is bounded. While a whole
past is taken in, `KEPT_OF_PAST` are: what names a thing may come long after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from msgspec import Struct
from msgspec.structs import force_setattr

KEPT_IDS, KEPT_WORDS, KEPT_NUMBERS = 1 << 16, 1 << 13, 1 << 13
KEPT_OF_PAST = 1 << 20
KEPT_UNSHARED = 1 << 13
OWN_NUMBERS = 256
"""Python itself has one object for each number up to this."""
_ids: dict[int, UUID] = {}
_words: dict[str, str] = {}
_numbers: dict[int, int] = {}
_most_ids, _most_words = KEPT_IDS, KEPT_WORDS
Sharer = Callable[[Any], Any]
K = TypeVar("K")
V = TypeVar("V")


def remember_a_past() -> None:
    """Remember more until `forget_the_past`: rows and promises of a whole past come in."""
    global _most_ids, _most_words
    _most_ids = _most_words = KEPT_OF_PAST


def forget_the_past() -> None:
    """It is in: what is remembered of it would only take room."""
    global _most_ids, _most_words
    _most_ids, _most_words = KEPT_IDS, KEPT_WORDS
    for remembered in (_ids, _words, _numbers):
        remembered.clear()


def shared(value: UUID) -> UUID:
    """The object that stands for this id."""
    found = _ids.get(value.int)
    return stands(value) if found is None else found


def stands(value: UUID) -> UUID:
    """Let this object stand for its id from now on: the number of a row's own is its key too."""
    return _remembered(_ids, value.int, value, _most_ids)


def shared_word(text: str) -> str:
    """The object that stands for this text."""
    found = _words.get(text)
    return _remembered(_words, text, text, _most_words) if found is None else found


def shared_number(number: int) -> int:
    """The object that stands for this number."""
    found = _numbers.get(number)
    return _remembered(_numbers, number, number, KEPT_NUMBERS) if found is None else found


def _remembered(known: dict[K, V], key: K, value: V, most: int) -> V:
    if len(known) >= most:
        known.clear()
    known[key] = value
    return value


def _refuse(self: Any, *_: Any, **__: Any) -> NoReturn:
    raise TypeError("rows share this: give the row another one")


class _NoItems(list[Any]):
    """An empty list that stays empty, for all rows that have none."""

    __slots__ = ()
    append = extend = insert = __iadd__ = __setitem__ = _refuse

    def __deepcopy__(self, _: Any) -> list[Any]:
        return []

    def __reduce__(self) -> tuple[Any, ...]:
        return list, ()


class _NoFields(dict[str, Any]):
    """The same for a dict."""

    __slots__ = ()
    __setitem__ = update = setdefault = __ior__ = _refuse

    def __deepcopy__(self, _: Any) -> dict[str, Any]:
        return {}

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, ()


NO_ITEMS, NO_FIELDS = _NoItems(), _NoFields()


class Plan:
    """Which attributes of a kind may be shared: ids, words, numbers, and others with what does it.

    It is asked for every row that is made, so what it does is written out and compiled, once for
    each kind: a loop over forty names takes twice as long. Numbers are shared only by rows that
    were decoded: those of live ones are mostly one object already.
    """

    __slots__ = ("share", "share_decoded")

    def __init__(self, sharers: Iterable[tuple[str, Sharer]]) -> None:
        told = list(sharers)
        live = [(name, sharer) for name, sharer in told if sharer is not shared_number]
        self.share = _compiled(live)
        self.share_decoded = _compiled(told)


# How a plan is written for an attribute: mostly the value is the one object already.
_LOOKED_UP = """
    value = one.{name}
    if {worth}:
        own = {known}
        if own is None:
            {new}(value)
        elif own is not value:
            force_setattr(one, "{name}", own)"""
_OTHER = """
    value = one.{name}
    if value is not None:
        own = sharers[{at}](value)
        if own is not value:
            force_setattr(one, "{name}", own)"""
_WHERE: dict[Sharer, tuple[str, str, str]] = {
    shared: ("value is not None", "ids.get(value.int)", "stands"),
    shared_word: ("value", "words.get(value)", "shared_word"),
    shared_number: (
        f"value is not None and value > {OWN_NUMBERS}",
        "numbers.get(value)",
        "shared_number",
    ),
}


def _compiled(told: Sequence[tuple[str, Sharer]]) -> Callable[[Any], None]:
    """What lets one row of a kind share these attributes. The names are those of our classes."""
    source = "def written(one):\n    pass"
    for at, (name, sharer) in enumerate(told):
        if sharer in _WHERE:
            worth, known, new = _WHERE[sharer]
            source += _LOOKED_UP.format(name=name, worth=worth, known=known, new=new)
        else:
            source += _OTHER.format(name=name, at=at)
    space: dict[str, Any] = {
        "ids": _ids,
        "words": _words,
        "numbers": _numbers,
        "stands": stands,
        "shared_word": shared_word,
        "shared_number": shared_number,
        "sharers": [sharer for _, sharer in told],
        "force_setattr": force_setattr,
    }
    exec(source, space)
    written: Callable[[Any], None] = space.pop("written")  # which has the space, too
    return written


def share(one: Struct) -> None:
    """Let a row, or an event that is kept, hold what others hold already."""
    (_plans.get(type(one)) or _plan(type(one))).share(one)


def share_decoded(one: Struct) -> None:
    """The same for one of a past, whose every id and number was decoded for it alone."""
    (_plans.get(type(one)) or _plan(type(one))).share_decoded(one)


class Unshared:
    """Rows of a table, by their numbers, that came of late while a long past was folded.

    They wait a while before they are shared: what came may be gone soon. What waits is bounded.
    """

    def __init__(self) -> None:
        self.numbers: set[int] = set()

    def share(self, rows: Mapping[int, Struct], *, at_least: int = KEPT_UNSHARED) -> None:
        """Share those that are still there, if there are enough to be worth it."""
        if len(self.numbers) < at_least:
            return
        for number in self.numbers:
            row = rows.get(number)
            if row is not None:
                share_decoded(row)
        self.numbers.clear()


@cache
def touched(event: type[Struct], row: type[Struct]) -> Plan | None:
    """What an event brings to a row that may be shared, if it does; a job's id is no such."""
    named = {*event.__struct_fields__} - {"job_id"}
    if "hold" in named:
        named |= {"holds", "more_holds"}
    found = [pair for pair in _sharers(row) if pair[0] in named]
    return Plan(found) if found else None


_plans: dict[type[Struct], Plan] = {}


def _plan(kind: type[Struct]) -> Plan:
    found = _plans[kind] = Plan(_sharers(kind))
    return found


@cache
def _sharers(kind: type[Struct]) -> tuple[tuple[str, Sharer], ...]:
    """The attributes that may be shared, each with what finds the object to share.

    What grows in place is a job's record: there are few of them at a time, so they share nothing.
    """
    if getattr(kind, "GROWS_IN_PLACE", False):
        return ()
    hints = get_type_hints(kind)
    found = ((name, _sharer(hints[name])) for name in kind.__struct_fields__)
    return tuple((name, sharer) for name, sharer in found if sharer is not None)


def _sharer(hint: Any) -> Sharer | None:
    if get_origin(hint) in (Union, UnionType):
        parts = [part for part in get_args(hint) if part is not NoneType]
        return _sharer(parts[0]) if len(parts) == 1 else None
    if hint is UUID:
        return shared
    if hint is str:
        return shared_word
    if hint is int:
        return shared_number
    if isinstance(hint, type) and issubclass(hint, Struct):
        return _shared_struct
    if get_origin(hint) is list:
        return _shared_list(_sharer(get_args(hint)[0]))
    if get_origin(hint) is dict:
        return lambda fields: fields or NO_FIELDS
    return None


def _shared_struct(one: Struct) -> Struct:
    share(one)
    return one


def _shared_list(of_item: Sharer | None) -> Sharer:
    def sharer(items: list[Any]) -> list[Any]:
        if not items:
            return NO_ITEMS
        if len(items) == 1:  # a list that had room for more takes twice the memory
            return [items[0] if of_item is None else of_item(items[0])]
        if of_item is not None:
            items[:] = map(of_item, items)
        return items

    return sharer
