"""What was used lately, at most so many; a look costs no more than that at a plain dict.

Two halves take turns: whatever is used moves to the young half, and when that is full the old one
is forgotten and the young one grows old. So at least the latest half is always kept.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Whoever looks very often may look at `young` first, and then ask."""

    def __init__(self, kept: int) -> None:
        self._half = max(1, kept // 2)
        self.young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        found = self.young.get(key)
        if found is None and (found := self._old.pop(key, None)) is not None:
            self.put(key, found)
        return found

    def put(self, key: K, value: V) -> None:
        if len(self.young) >= self._half:
            self._old, self.young = self.young, {}
        self.young[key] = value
