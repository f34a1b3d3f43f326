"""One object for equal ids and words, as far as they are alive: a zone's id is in all its guests.

Decoding makes each id anew, a hundred bytes a time; a guest's row names a dozen that others name
as well, its promises name them again, and half of its lists are empty. What was seen lately is
remembered, no more than `KEPT_IDS` and `KEPT_WORDS`, so the memory of it is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from types import NoneType, UnionType
from typing import Any, NoReturn, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from msgspec import Struct
from msgspec.structs import force_setattr

KEPT_IDS, KEPT_WORDS = 1 << 16, 1 << 13
_ids: dict[int, UUID] = {}
_words: dict[str, str] = {}
Sharer = Callable[[Any], Any]


def shared(value: UUID) -> UUID:
    """The object that stands for this id."""
    found = _ids.get(value.int)
    if found is None:
        if len(_ids) >= KEPT_IDS:
            _ids.clear()
        found = _ids[value.int] = value
    return found


def shared_word(text: str) -> str:
    """The object that stands for this text."""
    found = _words.get(text)
    if found is None:
        if len(_words) >= KEPT_WORDS:
            _words.clear()
        found = _words[text] = text
    return found


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


def share(one: Struct) -> None:
    """Let a row, or an event that is kept, hold what others hold already."""
    for name, sharer in _sharers(type(one)):
        value = getattr(one, name)
        if value is not None:
            force_setattr(one, name, sharer(value))


def share_some(one: Struct, names: Iterable[str]) -> None:
    """The same for some of its attributes."""
    sharers = _by_name(type(one))
    for name in names:
        value = getattr(one, name)
        if value is not None:
            force_setattr(one, name, sharers[name](value))


@cache
def touched(event: type[Struct], row: type[Struct]) -> tuple[str, ...]:
    """The attributes of a row that an event brings something to share to; a job's id is no such."""
    named = {*event.__struct_fields__} - {"job_id"}
    if "hold" in named:
        named |= {"holds", "more_holds"}
    return tuple(name for name, _ in _sharers(row) if name in named)


@cache
def _by_name(kind: type[Struct]) -> dict[str, Sharer]:
    return dict(_sharers(kind))


@cache
def _sharers(kind: type[Struct]) -> tuple[tuple[str, Sharer], ...]:
    """The attributes that may be shared, each with what finds the object to share."""
    hints = get_type_hints(kind)
    found = ((name, _sharer(hints[name])) for name in kind.__struct_fields__)
    grows = getattr(kind, "GROWS_IN_PLACE", False)
    return tuple(
        (name, sharer)
        for name, sharer in found
        if sharer is not None and not (grows and get_origin(hints[name]) in (list, dict))
    )


def _sharer(hint: Any) -> Sharer | None:
    if get_origin(hint) in (Union, UnionType):
        parts = [part for part in get_args(hint) if part is not NoneType]
        return _sharer(parts[0]) if len(parts) == 1 else None
    if hint is UUID:
        return shared
    if hint is str:
        return shared_word
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
        if of_item is not None:
            items[:] = map(of_item, items)
        return items

    return sharer
