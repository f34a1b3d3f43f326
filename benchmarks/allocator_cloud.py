"""A cloud for the allocator alone: hosts and pools without a log, so decisions are folded at once.

One hypervisor runs on nearly all hosts, one host in two hundred has a rare tag, CPU is promised
twice over. Each cluster of 32 hosts has a pool of its own. Every guest wants a root volume; every
fourth belongs to a strict group that keeps it off the three hosts on which its members are.
"""

from __future__ import annotations

import random
import statistics
import time
from itertools import pairwise
from typing import Any
from uuid import UUID

from aggregates.base import Event, Recorded
from aggregates.capacity import CapacitySupplied
from aggregates.space import SpaceSupplied
from engine.allocator import (
    Allocator,
    Decision,
    NothingFits,
    PlaceRequest,
    Policy,
    SpaceRequest,
    first_fit,
)
from projections.addresses import Addresses
from projections.capacity import Capacity
from projections.space import Space

SIZES = [(1, 2048), (2, 4096), (4, 8192), (8, 16384)]
CORES, CORE_MHZ, MEMORY_MIB, OVERCOMMIT, GUEST_MHZ = 16, 2600, 65_536, 2.0, 2000
POD, CLUSTER, RARE_EACH = 512, 32, 200
GIB, POOL_BYTES = 1024**3, 2**50
RARE = frozenset({"rare"})
NO_TAGS: frozenset[str] = frozenset()
NOWHERE: frozenset[UUID] = frozenset()


def asking_ns() -> int:
    """What it costs this thread to ask how long it has worked: the median of many."""
    asked = [time.thread_time_ns() for _ in range(1001)]
    return int(statistics.median(after - before for before, after in pairwise(asked)))


class Bench:
    """`host_count` hosts, and all that is asked of them."""

    def __init__(self, host_count: int) -> None:
        self.rng = random.Random(host_count)
        self.capacity, self.space, self.addresses = Capacity(), Space(), Addresses()
        self.allocator = Allocator(self.capacity, self.space, self.addresses)
        self.position = self.refused = 0
        self.zone = self.new_id()
        self.holds: list[UUID] = []
        for number in range(host_count):
            self.add_host(number)
        for number in range((host_count + CLUSTER - 1) // CLUSTER):
            self.add_pool(number)

    def new_id(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128))

    def place_of(self, number: int) -> dict[str, Any]:
        """Where a host is, by its number."""
        pod, cluster = UUID(int=1 + number // POD), UUID(int=1_000_000 + number // CLUSTER)
        return {"zone_id": self.zone, "pod_id": pod, "cluster_id": cluster}

    def add_host(self, number: int) -> None:
        row = CapacitySupplied(
            host_id=self.new_id(),
            hypervisor="KVM" if number % 16 else "VMware",
            cpu_count=CORES,
            cpu_mhz=CORE_MHZ,
            memory_mib=MEMORY_MIB,
            tags=["rare"] if number % RARE_EACH == 7 else [],
            cpu_overcommit=OVERCOMMIT,
            **self.place_of(number),
        )
        self.settle(self.allocator.supply_host(row, row.host_id))

    def add_pool(self, number: int) -> None:
        row = SpaceSupplied(
            pool_id=self.new_id(), capacity_bytes=POOL_BYTES, **self.place_of(number * CLUSTER)
        )
        self.settle(self.allocator.supply_pool(row, row.pool_id))

    def request(
        self, policy: Policy = first_fit, *, rare: bool = False, together: bool = False
    ) -> PlaceRequest:
        """The next guest's. `together`: its group wishes it on one of three hosts."""
        cores, memory_mib = self.rng.choice(SIZES)
        group = frozenset(self.rng.sample(self.capacity.hosts.ids, 3))
        vm_id = self.new_id()
        volume = SpaceRequest(volume_id=vm_id, zone_id=self.zone, size_bytes=20 * GIB)
        return PlaceRequest(
            vm_id=vm_id,
            zone_id=self.zone,
            hypervisor="KVM",
            cpu_count=cores,
            cpu_mhz=GUEST_MHZ,
            memory_mib=memory_mib,
            tags=RARE if rare else NO_TAGS,
            avoid=group if self.position % 4 == 0 and not together else NOWHERE,
            prefer=group if together else NOWHERE,
            volumes=(volume,),
            policy=policy,
        )

    def recorded(self, stream: UUID, version: int, happened: Event) -> Recorded:
        self.position += 1
        return Recorded(
            position=self.position, stream=stream, version=version, at_ms=0, event=happened
        )

    def settle(self, decision: Decision) -> None:
        """Fold what a commit would bring back."""
        for write in decision.appends:
            fold = self.space if write.event.KIND == "space" else self.capacity
            fold.fold(self.recorded(write.stream, write.expected + 1, write.event))

    def fill(self, share: float) -> None:
        """Promise until this share of all memory is held."""
        left = self.capacity.hosts.offered_mib.sum() * share
        while left > 0:
            request = self.request()
            self.holds.append(hold := self.new_id())
            self.settle(self.allocator.place(request, hold))
            left -= request.memory_mib
        self.rng.shuffle(self.holds)

    def place_or_none(self, request: PlaceRequest, hold: UUID) -> Decision:
        try:
            return self.allocator.place(request, hold)
        except NothingFits:
            self.refused += 1
            return Decision(())

    def rare_holds(self) -> list[int]:
        """Where the holds on hosts with the rare tag stand."""
        capacity = self.capacity
        return [
            index
            for index, hold in enumerate(self.holds)
            if (held := capacity.holds.get(hold.int))
            and (row := capacity.supply_of(held.host_id))
            and row.tags
        ]

    def churn(
        self, rounds: int, policy: Policy, *, rare: bool = False, together: bool = False
    ) -> tuple[list[int], list[int]]:
        """Nanoseconds of each decision alone, and of each whole round.

        A round releases a guest, decides for another, and folds the events of both. A decision's
        time holds every index that it uses catching up with the release, and its own promise, but
        not what it costs to ask for the time, which is a call of the kernel.
        """
        deciding, whole, asking = [], [], asking_ns()
        leaving = self.rare_holds() if rare else range(len(self.holds))
        for _ in range(rounds):
            old, new = self.rng.choice(leaving), self.new_id()
            request = self.request(policy, rare=rare, together=together)
            began = time.thread_time_ns()
            self.settle(self.allocator.release(self.holds[old]))
            asked = time.thread_time_ns()
            decision = self.place_or_none(request, new)
            decided = time.thread_time_ns()
            self.settle(decision)
            done = time.thread_time_ns()
            deciding.append(decided - asked - asking)
            whole.append(done - began - 3 * asking)
            self.holds[old] = new
        return deciding, whole
