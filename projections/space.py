"""How much each storage pool has left, and which promise takes what: the fold of the space ledgers.

A cloud has hundreds of pools where it has thousands of hosts, so these are plain rows. As with
`capacity`, decisions are marked at once and confirmed by their events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, cast
from uuid import UUID

import msgspec
import numpy as np

from aggregates.base import Recorded
from aggregates.ids import id_of
from aggregates.space import SpaceFreed, SpaceHeld, SpaceSupplied, SpaceWithdrawn, space_ledger
from projections.cloud import projection
from projections.pending import Pending
from projections.promises import Promises, as_id


class Pool(msgspec.Struct):
    """One pool: what it offers, and the bytes that are held or promised. `number` is its place."""

    id: UUID
    stream: UUID
    number: int
    version: int = 0
    supply: SpaceSupplied | None = None
    used_bytes: int = 0

    @property
    def offered_bytes(self) -> int:
        return self.supply.offered_bytes if self.supply else 0

    @property
    def free_bytes(self) -> int:
        return self.offered_bytes - self.used_bytes


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    pools: list[Pool]
    holds: bytes


@projection
class Space(Promises[SpaceHeld]):
    """Pools by id, promises by hold."""

    TOPICS: ClassVar[tuple[str, ...]] = tuple(
        e.TOPIC for e in (SpaceSupplied, SpaceWithdrawn, SpaceHeld, SpaceFreed)
    )

    HELD, FREED = SpaceHeld, SpaceFreed
    FIELDS: ClassVar[Mapping[str, str]] = {"volume": "16s", "pool": "I", "size_bytes": "q"}

    def __init__(self) -> None:
        super().__init__()
        self.pools: dict[UUID, Pool] = {}
        self._numbered: list[Pool] = []
        self._by_scope: dict[UUID, dict[UUID, Pool]] = {}
        self.changed = object()  # another one whenever a pool offers something else

    def fold(self, recorded: Recorded) -> None:
        """Let one event of a ledger happen."""
        happened = recorded.event
        mine = self.pendings.settle(recorded)
        assert isinstance(happened, SpaceSupplied | SpaceWithdrawn | SpaceHeld | SpaceFreed)
        pool = self._seen(happened.pool_id, recorded.version)
        if isinstance(happened, SpaceHeld):
            self._hold(pool, happened, mine)
        elif isinstance(happened, SpaceFreed):
            self._free(pool, happened)
        elif isinstance(happened, SpaceSupplied):
            self._supply(pool, happened)
        else:
            self._supply(pool, None)

    def _hold_past(self, recorded: Recorded) -> None:
        held: Any = recorded.event
        pool = self._seen_past(held.pool_id, recorded.version)
        self._keep_late(held.hold, held.volume_id, pool.number, held.size_bytes)

    def _free_past(self, recorded: Recorded) -> None:
        freed: Any = recorded.event
        pool = self._seen_past(freed.pool_id, recorded.version)
        found = self._kept(freed.hold)
        if found is not None and found[1] == pool.number:
            self._drop(freed.hold)

    def _seen_past(self, pool_id: UUID | str, version: int) -> Pool:
        pool: Pool | None = self._named.get(pool_id)
        if pool is None:
            pool = self._named[pool_id] = self._seen(as_id(pool_id), version)
        pool.version = version
        return pool

    def _sum_up(self) -> None:
        held = self._packed.columns()
        used = np.zeros(len(self._numbered), np.int64)
        np.add.at(used, held["pool"], held["size_bytes"])
        for pool, used_bytes in zip(self._numbered, used.tolist(), strict=True):
            pool.used_bytes += used_bytes

    def is_used(self, pool_id: UUID) -> bool:
        """Whether a volume has room in the pool, or is promised some."""
        pool = self.pools.get(pool_id)
        return pool is not None and pool.used_bytes != 0

    def serving(self, scopes: Iterable[UUID | None]) -> Iterator[Pool]:
        """The pools whose own, narrowest scope is one of these places."""
        for scope in scopes:
            if scope is not None:
                yield from self._by_scope.get(scope, {}).values()

    def promise(self, pool: Pool, held: SpaceHeld) -> Pending:
        """Mark a decision at once, so that the next one of this turn counts it."""
        pool.used_bytes += held.size_bytes
        pendings = self.pendings
        return pendings.add(
            pendings.takes, held.hold.int, pool.stream, pool.version, held, loose=True
        )

    def forget(self, hold: UUID) -> None:
        """Take back whatever is pending under this key; its commit failed."""
        pendings = self.pendings
        for book in (pendings.frees, pendings.takes, pendings.supplies):
            pending = book.get(hold.int)
            if pending is None:
                continue
            pendings.forget(pending)
            if isinstance(held := pending.event, SpaceHeld):
                self.pools[held.pool_id].used_bytes -= held.size_bytes

    def encode(self) -> bytes:
        """What the log says, without what is pending."""
        used = {pool.id: pool.used_bytes for pool in self.pools.values()}
        for pending in self.pendings.takes.values():
            held = cast(SpaceHeld, pending.event)
            used[held.pool_id] -= held.size_bytes
        pools = [
            msgspec.structs.replace(pool, used_bytes=used[pool.id]) for pool in self.pools.values()
        ]
        return msgspec.msgpack.encode(_Saved(pools, self._packed.saved()))

    def restore(self, encoded: bytes) -> None:
        """Take over a checkpoint."""
        saved = msgspec.msgpack.decode(encoded, type=_Saved)
        self._begin_anew()
        for pool in saved.pools:
            self.pools[pool.id] = pool
            self._numbered.append(pool)
            pool.used_bytes, supply, pool.supply = 0, pool.supply, None
            self._supply(pool, supply)
        self._take_over(saved.holds)

    def _seen(self, pool_id: UUID, version: int) -> Pool:
        pool = self.pools.get(pool_id)
        if pool is None:
            pool = Pool(pool_id, space_ledger(pool_id), len(self.pools))
            self.pools[pool_id] = pool
            self._numbered.append(pool)
        pool.version = version
        return pool

    def _supply(self, pool: Pool, supply: SpaceSupplied | None) -> None:
        if pool.supply is not None:
            there = self._by_scope[pool.supply.scope]
            del there[pool.id]
            if not there:
                del self._by_scope[pool.supply.scope]
        pool.supply = supply
        self.changed = object()
        if supply is not None:
            self._by_scope.setdefault(supply.scope, {})[pool.id] = pool

    def _hold(self, pool: Pool, held: SpaceHeld, mine: Pending | None) -> None:
        if self._keep(pool, held):
            if mine is None:
                pool.used_bytes += held.size_bytes
        elif mine is not None:
            pool.used_bytes -= held.size_bytes

    def _free(self, pool: Pool, freed: SpaceFreed) -> None:
        pool.used_bytes -= self._let_go(pool, freed)

    def _keep(self, pool: Pool, held: SpaceHeld) -> bool:
        """Keep a promise; False if its key holds something."""
        volume = held.volume_id.int.to_bytes(16, "big")
        return self._packed.put(held.hold.int, volume, pool.number, held.size_bytes)

    def _let_go(self, pool: Pool, freed: SpaceFreed) -> int:
        """Forget the promise of this key, if it is one in this pool; how many bytes it took."""
        found = self._packed.get(freed.hold.int)
        if found is None or found[1] != pool.number:
            return 0
        self._packed.remove(freed.hold.int)
        size_bytes: int = found[2]
        return size_bytes

    def _promise_of(self, hold: UUID, *fields: Any) -> SpaceHeld:
        volume, pool, size_bytes = fields
        pool_id = self._numbered[pool].id
        return SpaceHeld(hold=hold, pool_id=pool_id, volume_id=id_of(volume), size_bytes=size_bytes)
