"""Which promises a guest, a disk or a card has: mostly one, so one alone stands for itself."""

from __future__ import annotations

from uuid import UUID


class Holders:
    """The keys of promises by who holds them, in the order in which they came."""

    def __init__(self) -> None:
        self.by_holder: dict[int, UUID | tuple[UUID, ...]] = {}

    def of(self, holder: UUID) -> tuple[UUID, ...]:
        found = self.by_holder.get(holder.int, ())
        return found if isinstance(found, tuple) else (found,)

    def add(self, holder: UUID, hold: UUID) -> None:
        before = self.of(holder)
        self.by_holder[holder.int] = (*before, hold) if before else hold

    def remove(self, holder: UUID, hold: UUID) -> None:
        rest = tuple(one for one in self.of(holder) if one != hold)
        if not rest:
            del self.by_holder[holder.int]
        else:
            self.by_holder[holder.int] = rest if len(rest) > 1 else rest[0]
