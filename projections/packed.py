"""Records by the ids that they begin with, packed: a tenth of what objects take.

They lie in short chunks of bytes. The low bits of an id say which chunk, where C finds it. One
more chunk takes half of another whenever there are too few (linear hashing), so no step is ever
long. What is saved is in order of the ids, so it does not tell how it came to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import starmap
from operator import contains
from struct import Struct
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

RECORDS_A_CHUNK = 8
"""On average; a chunk that is about to be halved has twice as many."""
_KEY = 16
_low_at = Struct(">12xI").unpack_from
"""The low bits of an id that begins there."""
_head_at = Struct(">12xII").unpack_from
"""The same, and how many words there are of that id."""
_HEAD = _KEY + 4
"""What words begin with: the id, and how many bytes they are."""
_CODES = {"16s": "V16", "I": "<u4", "q": "<i8", "H": "<u2"}


class _Chunks:
    """What both kinds of maps are: the chunk of an id is found in the same way.

    Those that look for a chunk have these lines in them: a call would cost half of it.
    """

    def __init__(self) -> None:
        self._chunks: list[bytes] = [b""]
        self._mask = 0
        self._most = RECORDS_A_CHUNK
        self.count = 0

    def _records(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """Those in a chunk, each whole and behind the low bits of its id."""
        raise NotImplementedError

    def _halve(self) -> None:
        """Let one more chunk have what belongs there of the one that stood for it."""
        fresh = len(self._chunks)
        if fresh > self._mask:
            self._mask = 2 * self._mask + 1
        mask = self._mask
        old, stay, go = fresh & (mask >> 1), list[bytes](), list[bytes]()
        for low, record in self._records(self._chunks[old]):
            (go if low & mask == fresh else stay).append(record)
        self._chunks[old] = b"".join(stay)
        self._chunks.append(b"".join(go))
        self._most += RECORDS_A_CHUNK


class Packed(_Chunks):
    """Fixed fields by id. `fields` names each with its code: `16s` (an id), `I`, `H` or `q`.

    Ids come and go as their numbers. Those with equal low halves would all lie in one chunk.
    """

    def __init__(self, **fields: str) -> None:
        super().__init__()
        codes = "".join(fields.values())
        self._form = Struct(f"<16s{codes}")
        self._pack, self._size = self._form.pack, self._form.size
        self._read = Struct(f"<16x{codes}").unpack_from
        named = [("key", "V16"), *((name, _CODES[code]) for name, code in fields.items())]
        self.dtype = np.dtype(named)

    def __contains__(self, key: object) -> bool:
        if type(key) is not int:
            return False
        at, chunks = key & self._mask, self._chunks
        if at >= len(chunks):
            at &= self._mask >> 1
        chunk, sought = chunks[at], key.to_bytes(_KEY, "big")
        return chunk.find(sought) >= 0 and _start(chunk, sought, self._size) >= 0

    def isdisjoint(self, keys: Iterable[int]) -> bool:
        """Whether there is a record of none of these ids."""
        chunks, mask, count, size = self._chunks, self._mask, len(self._chunks), self._size
        keys = list(keys)
        places = [at if (at := key & mask) < count else at & (mask >> 1) for key in keys]
        sought = [key.to_bytes(_KEY, "big") for key in keys]
        # All chunks are fetched before any is read: the memory is asked for several at a time.
        near = [chunks[at] for at in places]
        if not any(map(contains, near, sought)):
            return True
        return all(_start(chunk, one, size) < 0 for chunk, one in zip(near, sought, strict=True))

    def get(self, key: int) -> tuple[Any, ...] | None:
        """The fields of the first record of this id."""
        at, chunks = key & self._mask, self._chunks
        if at >= len(chunks):
            at &= self._mask >> 1
        chunk, sought = chunks[at], key.to_bytes(_KEY, "big")
        start = chunk.find(sought)
        if start % self._size:
            start = _start(chunk, sought, self._size)
        return self._read(chunk, start) if start >= 0 else None

    def every(self, key: int) -> list[tuple[Any, ...]]:
        """The fields of each record of this id."""
        at = key & self._mask
        chunk = self._chunks[at if at < len(self._chunks) else at & (self._mask >> 1)]
        sought, size, found = key.to_bytes(_KEY, "big"), self._size, []
        start = _start(chunk, sought, size)
        while start >= 0:
            found.append(self._read(chunk, start))
            start = _start(chunk, sought, size, start + size)
        return found

    def put(self, key: int, *fields: Any) -> bool:
        """Keep a record, unless there is one of this id: then False."""
        at, chunks = key & self._mask, self._chunks
        if at >= len(chunks):
            at &= self._mask >> 1
        chunk, sought = chunks[at], key.to_bytes(_KEY, "big")
        if chunk.find(sought) >= 0 and _start(chunk, sought, self._size) >= 0:
            return False
        chunks[at] = chunk + self._pack(sought, *fields)
        self.count += 1
        if self.count > self._most:
            self._halve()
        return True

    def add(self, key: int, *fields: Any) -> None:
        """Keep a record beside those that this id has."""
        at, chunks = key & self._mask, self._chunks
        if at >= len(chunks):
            at &= self._mask >> 1
        chunks[at] += self._pack(key.to_bytes(_KEY, "big"), *fields)
        self.count += 1
        if self.count > self._most:
            self._halve()

    def remove(self, key: int, *fields: Any) -> None:
        """Forget the record of this id, which there is: without fields its first, else that one."""
        at, chunks = key & self._mask, self._chunks
        if at >= len(chunks):
            at &= self._mask >> 1
        chunk, size, sought = chunks[at], self._size, key.to_bytes(_KEY, "big")
        start = _start(chunk, self._pack(sought, *fields) if fields else sought, size)
        assert start >= 0, "there is no such record"
        chunks[at] = chunk[:start] + chunk[start + size :]
        self.count -= 1

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Every record, its id first, as bytes."""
        for chunk in self._chunks:
            yield from self._form.iter_unpack(chunk)

    def columns(self) -> NDArray[Any]:
        """A copy of every record, by the names of the fields; the id is `key`."""
        return np.frombuffer(b"".join(self._chunks), self.dtype)

    def saved(self) -> bytes:
        """Every record, in order."""
        # As strings they are compared byte by byte, those of zeros included: all are as long.
        records = np.frombuffer(b"".join(self._chunks), f"S{self._size}")
        return np.sort(records).tobytes()

    def fill(self, records: Iterable[tuple[Any, ...]]) -> None:
        """Have these records and no others: of each its id, as bytes, and its fields."""
        self.take(b"".join(starmap(self._pack, records)))

    def take(self, saved: bytes) -> None:
        """Have these records and no others. ValidationError for bytes that are no such."""
        if len(saved) % self._size:
            raise msgspec.ValidationError(f"{len(saved)} bytes are no records of {self._size}")
        records = np.frombuffer(saved, f"V{self._size}")
        self.count = len(records)
        chunks = max(1, -(-self.count // RECORDS_A_CHUNK))
        self._mask = (1 << (chunks - 1).bit_length()) - 1
        self._most = RECORDS_A_CHUNK * chunks
        at = records.view(self.dtype)["key"].copy().view(">u4")[3::4].astype(np.int64) & self._mask
        at = np.where(at < chunks, at, at & (self._mask >> 1))
        laid = records[np.argsort(at, kind="stable")].tobytes()
        ends = (np.cumsum(np.bincount(at, minlength=chunks)) * self._size).tolist()
        self._chunks = [laid[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]

    def _records(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        size = self._size
        for start in range(0, len(chunk), size):
            yield _low_at(chunk, start)[0], chunk[start : start + size]


class PackedWords(_Chunks):
    """Some bytes by id, as many as each needs."""

    def pop(self, key: int) -> bytes | None:
        """Give back what there is of this id, and keep it no more."""
        at, chunks = key & self._mask, self._chunks
        if at >= len(chunks):
            at &= self._mask >> 1
        chunk = chunks[at]
        start = _begin(chunk, key.to_bytes(_KEY, "big"))
        if start < 0:
            return None
        end = start + _HEAD + _head_at(chunk, start)[1]
        chunks[at] = chunk[:start] + chunk[end:]
        self.count -= 1
        return chunk[start + _HEAD : end]

    def add(self, key: int, words: bytes) -> None:
        """Keep this of an id of which there is nothing."""
        at, chunks = key & self._mask, self._chunks
        if at >= len(chunks):
            at &= self._mask >> 1
        chunks[at] += key.to_bytes(_KEY, "big") + len(words).to_bytes(_HEAD - _KEY, "big") + words
        self.count += 1
        if self.count > self._most:
            self._halve()

    def saved(self) -> list[bytes]:
        """All of it as `take` wants it. What was added in order of the ids does not tell more."""
        return self._chunks

    def take(self, saved: list[bytes], count: int) -> None:
        """Have what was saved, of so many ids, and nothing else."""
        self._chunks, self.count = saved, count
        self._mask = (1 << (len(saved) - 1).bit_length()) - 1
        self._most = RECORDS_A_CHUNK * len(saved)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Every id and what there is of it now, whatever is added or popped meanwhile."""
        return self._words(tuple(self._chunks))

    def _words(self, chunks: tuple[bytes, ...]) -> Iterator[tuple[int, bytes]]:
        for chunk in chunks:
            for _, record in self._records(chunk):
                yield int.from_bytes(record[:_KEY], "big"), record[_HEAD:]

    def _records(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        start = 0
        while start < len(chunk):
            low, count = _head_at(chunk, start)
            end = start + _HEAD + count
            yield low, chunk[start:end]
            start = end


def _start(chunk: bytes, sought: bytes, size_bytes: int, first: int = 0) -> int:
    """Where the record begins that begins like this; -1 for none."""
    start = chunk.find(sought, first)
    while start > 0 and start % size_bytes:  # that was in the middle of one
        start = chunk.find(sought, start + 1)
    return start


def _begin(chunk: bytes, sought: bytes) -> int:
    """Where the words of this id begin, with the id itself; -1 for none."""
    start = chunk.find(sought)
    at = 0
    while 0 <= at < start:  # words may say what looks like an id: only where some begin is one
        at += _HEAD + _head_at(chunk, at)[1]
        if at > start:
            start = chunk.find(sought, at)
    return start
