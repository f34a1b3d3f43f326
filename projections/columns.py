"""The indexes of a table as columns: for each attribute its keys, and which of them each row has.

So a checkpoint holds them, and they become indexes again without a look at any row that lies
packed as the checkpoint had it.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, TypeVar, get_type_hints

import msgspec
import numpy as np
from msgspec.structs import fields
from numpy.typing import NDArray

from projections.index import Entries, Index, key_of
from projections.table import TableSpec

N = TypeVar("N", bound=np.generic)
_MS, _CODE = np.dtype("<i8"), np.dtype("<u4")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.decode


class _Column(msgspec.Struct, frozen=True, array_like=True):
    keys: msgspec.Raw
    codes: bytes


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    """When each row was created, in ms, and a column for each attribute."""

    created: bytes
    columns: dict[str, _Column]


class Columns:
    """A column for each indexed attribute of a table, all in the order of its rows."""

    def __init__(self, spec: TableSpec[Any]) -> None:
        self._spec = spec
        self._numbers: list[int] = []
        self._created = np.zeros(0, _MS)
        self._keys: dict[str, list[Any]] = {name: [] for name in spec.indexed}
        self._codes = {name: np.zeros(0, _CODE) for name in spec.indexed}
        # The places of rows in order of creation, and their numbers.
        self._order = np.zeros(0, np.intp)
        self._ordered = np.zeros(0, object)

    def follow(self, rows: Mapping[int, Any]) -> None:
        """Be those of these rows: what is bytes is as it was here, in the order that it had here;
        the others may have changed, or be new. Rows may be gone, or be gone and created again."""
        numbers = list(rows)
        at = [place for place, row in enumerate(rows.values()) if type(row) is not bytes]
        changed = [rows[numbers[place]] for place in at]
        anew = set(map(numbers.__getitem__, at))
        stays = np.fromiter(map(rows.__contains__, self._numbers), bool, len(self._numbers))
        stays &= ~np.fromiter(map(anew.__contains__, self._numbers), bool, len(self._numbers))
        packed = np.ones(len(rows), bool)
        packed[at] = False
        self._numbers = numbers
        self._created = _moved(self._created, stays, packed)
        self._created[at] = [row.created_at_ms for row in changed]
        for name in self._codes:
            codes = self._codes[name] = _moved(self._codes[name], stays, packed)
            if changed:
                known = {key: code for code, key in enumerate(self._keys[name])}
                keys = map(key_of, map(attrgetter(name), changed))
                codes[at] = [known.setdefault(key, len(known)) for key in keys]
                self._keys[name] = list(known)
        self._order = np.argsort(self._created, kind="stable")
        self._ordered = np.fromiter(self._numbers, object, len(rows))[self._order]

    def entries(self, name: str) -> Entries:
        """What the index of an attribute has."""
        keys, codes, numbers = self._keys[name], self._codes[name][self._order], self._ordered
        if name in self._spec.seldom:
            listed = np.array([bool(key) for key in keys], bool)[codes]
            codes, numbers = codes[listed], numbers[listed]
        return _grouped(keys, codes, numbers)

    def folded(self, name: str) -> Entries:
        """The same by words without regard to case, for those alone that are written otherwise."""
        known: dict[str, int] = {}
        folded = [
            -1 if (same := word.casefold()) == word else known.setdefault(same, len(known))
            for word in self._keys[name]
        ]
        if not known:
            return {}
        codes = np.array(folded)[self._codes[name][self._order]]
        other = codes >= 0
        return _grouped(list(known), codes[other], self._ordered[other])

    def have(self, rows: Mapping[int, int], indexes: Mapping[str, Index]) -> None:
        """Be those of these rows, each with when it was created, as indexes have them."""
        self._numbers = list(rows)
        self._created = np.fromiter(rows.values(), _MS, len(rows))
        places = {number: place for place, number in enumerate(rows)}
        for name, index in indexes.items():
            # The rows that an index does not list have nothing there.
            keys, told = self._nothing(name), [0] * len(rows)
            for code, (key, numbers) in enumerate(index.items(), len(keys)):
                keys.append(key)
                for number in numbers:
                    told[places[number]] = code
            self._keys[name], self._codes[name] = keys, np.array(told, _CODE)

    def _nothing(self, name: str) -> list[Any]:
        """What stands for what most rows have not, if that is so of an attribute."""
        if name not in self._spec.seldom:
            return []
        default = next(one.default for one in fields(self._spec.row) if one.name == name)
        assert not default, f"most rows have {default} as their {name}"
        return [default]

    def saved(self) -> bytes:
        columns = {}
        for name, keys in self._keys.items():
            told = map(_bytes, keys) if name in self._spec.ids else keys
            raw = msgspec.Raw(_encode(list(told)))
            columns[name] = _Column(raw, self._codes[name].tobytes())
        return _encode(_Saved(self._created.tobytes(), columns))

    def take(self, told: msgspec.Raw, numbers: list[int]) -> None:
        """Be what was saved, of the rows of these numbers. ValidationError for what is no such."""
        saved, hints = _decode(told, type=_Saved), get_type_hints(self._spec.row)
        self._numbers, self._created = numbers, np.frombuffer(saved.created, _MS)
        for name in self._keys:
            column = saved.columns[name]
            if name in self._spec.ids:
                ids = _decode(column.keys, type=list[bytes | None])
                self._keys[name] = [None if one is None else int.from_bytes(one) for one in ids]
            else:
                kind = list[hints[name]]  # type: ignore[valid-type]
                self._keys[name] = _decode(column.keys, type=kind)
            self._codes[name] = np.frombuffer(column.codes, _CODE)


def _bytes(key: int | None) -> bytes | None:
    """What is saved of an id's number."""
    return None if key is None else key.to_bytes(16, "big")


def _moved(column: NDArray[N], source: NDArray[Any], target: NDArray[Any]) -> NDArray[N]:
    """What is at the places that the first mask marks, at those of the second, as many."""
    moved = np.zeros(len(target), column.dtype)
    moved[target] = column[source]
    return moved


def _grouped(keys: list[Any], codes: NDArray[Any], numbers: NDArray[Any]) -> Entries:
    """Numbers, in their order, by the key that stands for the code of each."""
    told = numbers[np.argsort(codes, kind="stable")].tolist()
    ends = np.cumsum(np.bincount(codes, minlength=len(keys))).tolist()
    found: Entries = {}
    start = 0
    for key, end in zip(keys, ends, strict=True):
        if end - start > 1:
            found[key] = told[start:end]
        elif end > start:
            found[key] = told[start]
        start = end
    return found
