"""The allocator decides who gets what, and says which events make it so.

A decision counts from the moment it is made: the next one of the same turn sees it. The caller
commits `decision.appends`; when that fails it calls `forget` with the same key and asks again.
`hold` is the key of a saga step: asking again with it gives the same answer, and releasing what
nobody holds is success. It knows nothing of sagas or of the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast
from uuid import UUID

from aggregates.address import AddressFreed, AddressTaken, address_ledger
from aggregates.capacity import (
    CapacityFreed,
    CapacityHeld,
    CapacitySupplied,
    CapacityWithdrawn,
    capacity_ledger,
)
from aggregates.errors import Conflict, Exhausted
from aggregates.space import SpaceFreed, SpaceHeld, SpaceSupplied, SpaceWithdrawn, space_ledger
from engine.allocator import promises
from engine.allocator.alike import Guest, promise_alike
from engine.allocator.explain import Explanation, NothingFits, explain_place, explain_space
from engine.allocator.hosts import Choice
from engine.allocator.numbers import choose_number
from engine.allocator.pools import choose_pool
from engine.allocator.request import (
    AddressDecision,
    Decision,
    GrowRequest,
    HostDecision,
    PlaceRequest,
    PoolDecision,
    SpaceRequest,
    Write,
)
from projections.addresses import Addresses
from projections.capacity import Capacity
from projections.pending import Pending
from projections.space import Space

NOTHING = Decision(())
# What gives room back comes in behind whatever others took.
NEEDS_NONE: tuple[int, ...] = ()


class Allocator:
    """Decides over three folds: hosts, pools and addresses."""

    def __init__(self, capacity: Capacity, space: Space, addresses: Addresses) -> None:
        self._capacity, self._space, self._addresses = capacity, space, addresses
        self._choice = Choice(space)

    def place(self, request: PlaceRequest, hold: UUID) -> HostDecision:
        """Promise a guest room on a host; NothingFits says why none has it."""
        capacity, key = self._capacity, hold.int
        if key not in capacity.holds and key not in capacity.pendings.takes:
            return self._promise_host(request, hold)
        held = capacity.holds.get(key)
        if held is not None:
            promises.refuse_if_leaving(capacity.pendings, hold)
            return HostDecision((), held.host_id)
        pending = promises.standing(capacity, hold)
        return self._promise_host(request, hold) if pending is None else self._answer(pending)

    def place_alike(self, request: PlaceRequest, guests: Sequence[Guest]) -> list[HostDecision]:
        """Promise room to many guests of one size under new keys, as far as there is any.

        Fewer answers than guests: nothing fits the rest, and `explain` says why.
        """
        capacity = self._capacity
        keys = [hold.int for _, hold in guests]
        known = (capacity.holds, capacity.pendings.takes.keys())
        if len(set(keys)) < len(keys) or not all(some.isdisjoint(keys) for some in known):
            raise Conflict("a guest of these was promised room already: ask for it with `place`")
        slots = self._choice.each(capacity.hosts, request)
        return promise_alike(capacity, slots, request, guests, keys)

    def _answer(self, pending: Pending) -> HostDecision:
        host_id = cast(CapacityHeld, pending.event).host_id
        slack = self._left_on(self._capacity.hosts.numbered[host_id.int])
        return HostDecision(promises.writes(pending, slack), host_id)

    def _left_on(self, slot: int) -> tuple[int, int]:
        """What is free there beside all that is promised here: others may take that much."""
        hosts = self._capacity.hosts
        return hosts.mhz[slot], hosts.mib[slot]

    def _promise_host(self, request: PlaceRequest, hold: UUID) -> HostDecision:
        hosts = self._capacity.hosts
        slot = self._choice.choose(hosts, request)
        if slot is None:
            raise NothingFits(partial(self.explain, request))
        host_id = hosts.ids[slot]
        held = CapacityHeld(
            hold=hold,
            host_id=host_id,
            vm_id=request.vm_id,
            cpu_count=request.cpu_count,
            cpu_mhz=request.cpu_count * request.cpu_mhz,
            memory_mib=request.memory_mib,
        )
        pending = self._capacity.promise(slot, held)
        slack = hosts.mhz[slot], hosts.mib[slot]
        return HostDecision((Write(pending.stream, pending.expected, held, slack),), host_id)

    def grow(self, request: GrowRequest, hold: UUID) -> HostDecision:
        """Promise a guest more room on the host that it is on; `Exhausted` says what is short."""
        capacity = self._capacity
        held = capacity.holds.get(hold.int)
        if held is not None:
            promises.refuse_if_leaving(capacity.pendings, hold)
            return HostDecision((), held.host_id)
        pending = promises.standing(capacity, hold) or self._promise_growth(request, hold)
        return self._answer(pending)

    def _promise_growth(self, ask: GrowRequest, hold: UUID) -> Pending:
        hosts, slot = self._capacity.hosts, self._capacity.hosts.numbered[ask.host_id.int]
        for what, wanted, free in (
            ("cores", ask.cpu_count, int(hosts.cores[slot])),
            ("MHz more", ask.more_mhz, hosts.mhz[slot]),
            ("MiB more", ask.more_mib, hosts.mib[slot]),
        ):
            if wanted > free:
                raise Exhausted(
                    f"the guest wants {wanted} {what} and its host has {free}: migrate it to a "
                    "larger host, or stop it first"
                )
        held = CapacityHeld(
            hold=hold,
            host_id=ask.host_id,
            vm_id=ask.vm_id,
            cpu_count=ask.more_cores,
            cpu_mhz=ask.more_mhz,
            memory_mib=ask.more_mib,
        )
        return self._capacity.promise(slot, held)

    def release(self, hold: UUID) -> Decision:
        """Give a guest's room back."""
        capacity = self._capacity
        pendings, hosts = capacity.pendings, capacity.hosts
        held = capacity.holds.get(hold.int)
        if held is None:
            if (taking := pendings.takes.get(hold.int)) is None:
                return NOTHING
            held = cast(CapacityHeld, taking.event)
        slot = hosts.numbered[held.host_id.int]
        freed = CapacityFreed(hold=hold, host_id=held.host_id)
        stream, version = hosts.streams[slot], hosts.versions[slot]
        return promises.free(pendings, hold, stream, version, freed, NEEDS_NONE)

    def take_space(self, request: SpaceRequest, hold: UUID) -> PoolDecision:
        """Promise a volume room in the emptiest pool in reach; NothingFits says why none has it."""
        space = self._space
        held = space.holds.get(hold.int)
        if held is not None:
            promises.refuse_if_leaving(space.pendings, hold)
            return PoolDecision((), held.pool_id)
        pending = promises.standing(space, hold) or self._promise_pool(request, hold)
        pool_id = cast(SpaceHeld, pending.event).pool_id
        slack = (space.pools[pool_id].free_bytes,)
        return PoolDecision(promises.writes(pending, slack), pool_id)

    def _promise_pool(self, request: SpaceRequest, hold: UUID) -> Pending:
        pool = choose_pool(self._space, request)
        if pool is None:
            raise NothingFits(partial(self.explain_space, request))
        held = SpaceHeld(
            hold=hold,
            pool_id=pool.id,
            volume_id=request.volume_id,
            size_bytes=request.size_bytes,
        )
        return self._space.promise(pool, held)

    def release_space(self, hold: UUID) -> Decision:
        """Give a volume's room back."""
        space = self._space
        held = space.holds.get(hold.int)
        if held is None:
            if (taking := space.pendings.takes.get(hold.int)) is None:
                return NOTHING
            held = cast(SpaceHeld, taking.event)
        pool = space.pools[held.pool_id]
        freed = SpaceFreed(hold=hold, pool_id=pool.id)
        stream, version = pool.stream, pool.version
        return promises.free(space.pendings, hold, stream, version, freed, NEEDS_NONE)

    def take_address(
        self,
        spaces: UUID | Sequence[UUID],
        hold: UUID,
        *,
        holder: UUID,
        purpose: str,
        wanted: int | None = None,
    ) -> AddressDecision:
        """Promise the lowest free number of the first space that has one, or the wanted one."""
        addresses = self._addresses
        taken = addresses.holds.get(hold.int)
        if taken is not None:
            promises.refuse_if_leaving(addresses.pendings, hold)
            return AddressDecision((), taken.space_id, taken.number)
        pending = promises.standing(addresses, hold)
        if pending is None:
            candidates = (spaces,) if isinstance(spaces, UUID) else spaces
            space_id, number = choose_number(addresses, candidates, wanted)
            pending = addresses.promise(
                AddressTaken(
                    hold=hold, space_id=space_id, number=number, holder=holder, purpose=purpose
                )
            )
        taken = cast(AddressTaken, pending.event)
        return AddressDecision(promises.writes(pending), taken.space_id, taken.number)

    def release_address(self, hold: UUID) -> Decision:
        """Give a number back."""
        addresses = self._addresses
        taken = addresses.holds.get(hold.int)
        if taken is None:
            if (taking := addresses.pendings.takes.get(hold.int)) is None:
                return NOTHING
            taken = cast(AddressTaken, taking.event)
        numbers = addresses.ranges.get(taken.space_id)
        if numbers is None:
            return NOTHING
        stream = address_ledger(taken.space_id, taken.number)
        version = numbers.version(taken.number)
        freed = AddressFreed(hold=hold, space_id=taken.space_id, number=taken.number)
        return promises.free(addresses.pendings, hold, stream, version, freed)

    def supply_host(self, supplied: CapacitySupplied | CapacityWithdrawn, key: UUID) -> Decision:
        """Say what a host offers from now on. It counts once it is on the log."""
        hosts = self._capacity.hosts
        slot = hosts.slot_of(supplied.host_id)
        version = 0 if slot is None else hosts.versions[slot]
        stream = capacity_ledger(supplied.host_id)
        return promises.supply(self._capacity.pendings, key, stream, version, supplied)

    def supply_pool(self, supplied: SpaceSupplied | SpaceWithdrawn, key: UUID) -> Decision:
        """Say what a pool offers from now on. It counts once it is on the log."""
        pool = self._space.pools.get(supplied.pool_id)
        version, stream = pool.version if pool else 0, space_ledger(supplied.pool_id)
        return promises.supply(self._space.pendings, key, stream, version, supplied)

    def forget(self, hold: UUID) -> None:
        """The commit of what this key asked for failed: take it back. Unknown keys are fine."""
        self._capacity.forget(hold)
        self._space.forget(hold)
        self._addresses.forget(hold)

    def explain(self, request: PlaceRequest) -> Explanation:
        """Per host, which rule refuses this request at present."""
        return explain_place(self._capacity.hosts, self._space, self._choice.reach, request)

    def explain_space(self, request: SpaceRequest) -> Explanation:
        """Per pool, which rule refuses this request at present."""
        return explain_space(self._space, request)
