"""How fast does the allocator decide, and does that hold at 30,000 hosts?

A cloud is filled to nine tenths, then guests come and go: each round releases one guest and places
another, with the folds of both events. One hypervisor runs on nearly all hosts and one host in two
hundred has a rare tag. The limit that placing is measured against is a flat numpy first fit
over the same columns, in the same run: what one gets without an index.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np

from aggregates.address import AddressSpaceCreated
from aggregates.base import Event, Recorded
from aggregates.capacity import CapacitySupplied
from engine.allocator import (
    Allocator,
    Decision,
    NothingFits,
    PlaceRequest,
    Policy,
    first_fit,
    pack,
    spread,
)
from projections.addresses import Addresses
from projections.capacity import Capacity
from projections.space import Space

SIZES = [(1, 2048), (2, 4096), (4, 8192), (8, 16384)]
RARE = frozenset({"rare"})
Row = dict[str, Any]


class Bench:
    """A cloud of `host_count` hosts without a log: decisions are folded at once."""

    def __init__(self, host_count: int) -> None:
        self.rng = random.Random(host_count)
        self.capacity, self.space, self.addresses = Capacity(), Space(), Addresses()
        self.allocator = Allocator(self.capacity, self.space, self.addresses)
        self.position = self.refused = 0
        self.zone = self.new_id()
        self.holds: list[UUID] = []
        for number in range(host_count):
            self.add_host(number)

    def new_id(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128))

    def add_host(self, number: int) -> None:
        row = CapacitySupplied(
            host_id=self.new_id(),
            zone_id=self.zone,
            pod_id=UUID(int=number // 512),
            cluster_id=UUID(int=number // 32),
            hypervisor="KVM" if number % 16 else "VMware",
            cpu_count=16,
            cpu_mhz=2600,
            memory_mib=65_536,
            tags=["rare"] if number % 200 == 7 else [],
            cpu_overcommit=2.0,
        )
        self.settle(self.allocator.supply_host(row, row.host_id))

    def request(self, policy: Policy = first_fit, *, rare: bool = False) -> PlaceRequest:
        cores, memory_mib = self.rng.choice(SIZES)
        return PlaceRequest(
            vm_id=self.new_id(),
            zone_id=self.zone,
            hypervisor="KVM",
            cpu_count=cores,
            cpu_mhz=2000,
            memory_mib=memory_mib,
            tags=RARE if rare else frozenset(),
            policy=policy,
        )

    def recorded(self, stream: UUID, version: int, happened: Event) -> Recorded:
        self.position += 1
        return Recorded(
            position=self.position, stream=stream, version=version, at_ms=0, event=happened
        )

    def settle(self, decision: Decision) -> None:
        """Fold what a commit would bring back."""
        for stream, expected, happened, _ in decision.appends:
            self.capacity.fold(self.recorded(stream, expected + 1, happened))

    def fill(self, share: float) -> None:
        """Promise until this share of all memory is held."""
        hosts = self.capacity.hosts
        left = hosts.offered_mib.sum() * share
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
            if (held := capacity.holds.get(hold))
            and (row := capacity.supply_of(held.host_id))
            and row.tags
        ]

    def churn(self, rounds: int, policy: Policy, rare: bool) -> tuple[list[int], list[int]]:
        """Nanoseconds of each placing alone, and of each whole round."""
        placing, whole = [], []
        leaving = self.rare_holds() if rare else range(len(self.holds))
        for _ in range(rounds):
            old, new = self.rng.choice(leaving), self.new_id()
            request = self.request(policy, rare=rare)
            began = time.perf_counter_ns()
            self.settle(self.allocator.release(self.holds[old]))
            asked = time.perf_counter_ns()
            decision = self.place_or_none(request, new)
            placed = time.perf_counter_ns()
            self.settle(decision)
            done = time.perf_counter_ns()
            placing.append(placed - asked)
            whole.append(done - began)
            self.holds[old] = new
        return placing, whole


def flat_scan_ns(bench: Bench) -> float:
    """One flat first fit over every host, without any bookkeeping: the median of many."""
    hosts, took = bench.capacity.hosts, []
    zone, hypervisor = hosts.places.find(bench.zone), hosts.hypervisors.find("KVM")
    for _ in range(200):
        cores, memory_mib = bench.rng.choice(SIZES)
        began = time.perf_counter_ns()
        room = hosts.free_mhz >= cores * 2000
        room &= hosts.free_mib >= memory_mib
        room &= (hosts.zone == zone) & (hosts.hypervisor == hypervisor) & (hosts.enabled == 1)
        int(np.argmax(room))
        took.append(time.perf_counter_ns() - began)
    return statistics.median(took)


def row(
    name: str, value: float, unit: str, limit: float, budget: float, *, at_most: bool = False
) -> Row:
    """One result; `budget` is a floor for the value, or a ceiling with `at_most`."""
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "limit": round(limit, 2),
        "ratio": round(value / limit, 3) if limit else None,
        "budget": budget,
        "ok": value <= budget if at_most else value >= budget,
    }


def placing_rows(bench: Bench, label: str) -> list[Row]:
    """Rates of each policy under churn, and how late the slow ones are."""
    rows = []
    scan = 1e9 / flat_scan_ns(bench)
    budgets = {"first_fit": 20_000, "pack": 1_500, "spread": 1_500, "rare_tag": 20_000}
    cases: list[tuple[str, Policy, bool, int]] = [
        ("first_fit", first_fit, False, 20_000),
        ("rare_tag", first_fit, True, 5_000),
        ("pack", pack, False, 1_000),
        ("spread", spread, False, 1_000),
    ]
    for name, policy, rare, rounds in cases:
        bench.refused = 0
        placing, whole = bench.churn(rounds, policy, rare)
        assert bench.refused < rounds / 4, f"{bench.refused} of {rounds} found no host: no churn"
        rate = 1e9 / statistics.mean(placing)
        rows.append(row(f"allocator.{name}.{label}", rate, "decisions/s", scan, budgets[name]))
        if policy is first_fit:
            p99_us = sorted(placing)[int(rounds * 0.99)] / 1000
            rows.append(
                row(f"allocator.{name}.p99.{label}", p99_us, "us", 1e6 / scan, 100, at_most=True)
            )
            rounds_s = 1e9 / statistics.mean(whole)
            rows.append(row(f"allocator.{name}.round.{label}", rounds_s, "rounds/s", scan, 10_000))
    return rows


def address_rows() -> list[Row]:
    """Take every number of a /16, then give back and take at random."""
    bench = Bench(0)
    space_id, first = bench.new_id(), 10 << 24
    created = AddressSpaceCreated(
        purpose="guest_ip4", zone_id=bench.zone, first=first, last=first + 65_535, reserved=[first]
    )
    addresses = bench.addresses
    addresses.fold(bench.recorded(space_id, 1, created))

    def settle(decision: Decision) -> None:
        for stream, expected, happened, _ in decision.appends:
            addresses.fold(bench.recorded(stream, expected + 1, happened))

    def take(hold: UUID) -> None:
        settle(bench.allocator.take_address(space_id, hold, holder=hold, purpose="nic"))

    holds = [bench.new_id() for _ in range(65_535)]

    def fill() -> None:
        for hold in holds:
            take(hold)

    filling = per_second(fill, len(holds))
    some = bench.rng.sample(range(len(holds)), 20_000)

    def churn() -> None:
        for index in some:
            settle(bench.allocator.release_address(holds[index]))
            holds[index] = bench.new_id()
            take(holds[index])

    numbers = addresses.ranges[space_id]
    finding = per_second(lambda: [numbers.lowest_free() for _ in range(50_000)], 50_000)
    return [
        row("allocator.address.fill_16", filling, "addresses/s", finding, 20_000),
        row(
            "allocator.address.churn_16", per_second(churn, len(some)), "rounds/s", finding, 10_000
        ),
    ]


def per_second(work: Callable[[], object], count: int) -> float:
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def run() -> list[Row]:
    rows: list[Row] = []
    for host_count in (1_000, 30_000):
        bench = Bench(host_count)
        bench.fill(0.9)
        rows += placing_rows(bench, f"{host_count // 1000}k_hosts")
    rates = {one["name"]: one["value"] for one in rows}
    growth = rates["allocator.first_fit.1k_hosts"] / rates["allocator.first_fit.30k_hosts"]
    rows.append(row("allocator.first_fit.cost_30k_over_1k", growth, "times", 1, 2, at_most=True))
    return rows + address_rows()


async def measure() -> list[Row]:
    """All figures; the work is off the loop, since nothing else shares these folds."""
    async with asyncio.timeout(600):
        return await asyncio.to_thread(run)


if __name__ == "__main__":
    for one in asyncio.run(measure()):
        print(json.dumps(one))
