"""How fast does the allocator decide, does that hold at 30,000 hosts, and how well does it pack?

A cloud is filled to nine tenths, then guests come and go (`allocator_cloud`). Each decision looks
at CPU with overcommit, memory, storage, tags and affinity. The limit that it is measured against
is a flat numpy first fit over the same columns, in the same run: what one gets without an index.
Times are this thread's own, so another program on the machine is not taken for a slow decision.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from aggregates.address import AddressSpaceCreated
from benchmarks.allocator_cloud import (
    CLUSTER,
    CORE_MHZ,
    CORES,
    GUEST_MHZ,
    MEMORY_MIB,
    OVERCOMMIT,
    POOL_BYTES,
    SIZES,
    Bench,
)
from engine.allocator import Decision, Guest, NothingFits, Policy, first_fit, pack, spread
from engine.collector import settle as set_aside
from engine.huge_pages import collapse_all, heap
from projections.cluster_sums import Bounds

Row = dict[str, Any]
SMALL, LARGE, FULL = 1_000, 30_000, 0.9
REPEATS = 5
QUALITY_HOSTS, QUALITY_GUESTS = 2_000, 9_000
# Guests of which some fill a host's memory first, and some its CPU.
UNEVEN = [(1, 2048), (2, 4096), (8, 4096), (12, 8192), (2, 12_288), (4, 24_576)]


@dataclass(frozen=True, slots=True)
class Case:
    """One way of deciding, and how many decisions to measure of it."""

    name: str
    policy: Policy
    rounds: int
    rare: bool = False
    together: bool = False


CASES = (
    Case("first_fit", first_fit, 4_000),
    Case("rare_tag", first_fit, 2_000, rare=True),
    Case("affinity", first_fit, 4_000, together=True),
    Case("pack", pack, 4_000),
    Case("spread", spread, 4_000),
)


def row(name: str, value: float, unit: str, limit: float | None = None, note: str = "") -> Row:
    made: Row = {"name": f"allocator.{name}", "value": round(value, 2), "unit": unit}
    if limit:
        made |= {"limit": round(limit, 2), "ratio": round(value / limit, 3)}
    return made | ({"note": note} if note else {})


def flat_scan_ns(bench: Bench) -> float:
    """One flat first fit over every host, without any bookkeeping: the median of many."""
    hosts, took = bench.capacity.hosts, []
    zone, hypervisor = hosts.places.find(bench.zone), hosts.hypervisors.find("KVM")
    for _ in range(200):
        cores, memory_mib = bench.rng.choice(SIZES)
        began = time.thread_time_ns()
        room = hosts.free_mhz >= cores * GUEST_MHZ
        room &= hosts.free_mib >= memory_mib
        room &= (hosts.zone == zone) & (hosts.hypervisor == hypervisor) & (hosts.enabled == 1)
        int(np.argmax(room))
        took.append(time.thread_time_ns() - began)
    return statistics.median(took)


def deciding(bench: Bench, case: Case, scan: float, label: str) -> list[Row]:
    """Rate under churn, how late the slow ones are, and the round that a decision is part of."""
    rates, p99s, rounds = [], [], []
    bench.refused = 0
    bench.churn(200, case.policy, rare=case.rare, together=case.together)
    for _ in range(REPEATS):
        alone, whole = bench.churn(case.rounds, case.policy, rare=case.rare, together=case.together)
        rates.append(1e9 / statistics.mean(alone))
        p99s.append(sorted(alone)[int(case.rounds * 0.99)] / 1000)
        rounds.append(1e9 / statistics.mean(whole))
    asked = case.rounds * REPEATS
    assert bench.refused < asked / 4, f"{bench.refused} of {asked} found no host: no churn"
    note = f"with the release before it and both folds: {round(statistics.median(rounds)):,}/s"
    return [
        row(f"{case.name}.{label}", statistics.median(rates), "decisions/s", scan, note),
        row(f"{case.name}.p99.{label}", statistics.median(p99s), "us", 1e6 / scan),
    ]


def batch_row(bench: Bench, scan: float) -> Row:
    """A hundred alike at once, at nine tenths full; each batch is given back before the next."""
    rates = []
    for _ in range(200):
        request = msgspec.structs.replace(bench.request(), cpu_count=2, memory_mib=4096)
        guests = [Guest(bench.new_id(), bench.new_id()) for _ in range(100)]
        began = time.thread_time_ns()
        decisions = bench.allocator.place_alike(request, guests)
        rates.append(100 / (time.thread_time_ns() - began) * 1e9)
        assert len(decisions) == 100, "the cloud is full"
        for decision, guest in zip(decisions, guests, strict=True):
            bench.settle(decision)
            bench.settle(bench.allocator.release(guest.hold))
    return row("batch_of_100", statistics.median(rates), "decisions/s", scan)


def refusal_rows(bench: Bench) -> list[Row]:
    """A refusal against an answer, and what explaining one costs whoever asks."""
    refusing, answering, explaining = [], [], []
    for number in range(600):
        hold, request = bench.new_id(), bench.request()
        impossible = msgspec.structs.replace(bench.request(), memory_mib=2 * MEMORY_MIB)
        began = time.thread_time_ns()
        bench.allocator.place(request, hold)
        answered = time.thread_time_ns()
        try:
            bench.allocator.place(impossible, bench.new_id())
            raise AssertionError("twice the memory of any host was promised")
        except NothingFits as nothing:
            refused = time.thread_time_ns()
            if number % 20 == 0:
                str(nothing)
                explaining.append(time.thread_time_ns() - refused)
        bench.allocator.forget(hold)
        answering.append(answered - began)
        refusing.append(refused - answered)
    refused_us, answered_us = (statistics.median(t) / 1000 for t in (refusing, answering))
    note = f"explaining one over {LARGE:,} hosts: {statistics.median(explaining) / 1e6:.1f} ms"
    return [row("refusal", refused_us, "us", answered_us, note)]


def storage_rows(bench: Bench, scan: float) -> list[Row]:
    """A refusal by the pools, against one look at every host.

    That disks do not fit together takes longest to find: each would fit alone, wherever it is.
    """
    refusing: dict[str, list[int]] = {"alone": [], "together": []}
    for turn in range(60):
        name, share = (("alone", 2.0), ("together", 0.6))[turn % 2]
        request = bench.request()
        (volume,) = request.volumes
        large = msgspec.structs.replace(volume, size_bytes=int(share * POOL_BYTES))
        request = msgspec.structs.replace(request, volumes=(large, large))
        began = time.thread_time_ns()
        try:
            bench.allocator.place(request, bench.new_id())
            raise AssertionError("more than any pool has was promised")
        except NothingFits:
            refusing[name].append(time.thread_time_ns() - began)
    alone, together = (statistics.median(took) / 1000 for took in refusing.values())
    note = f"{LARGE // CLUSTER:,} pools; {together / 1000:.1f} ms if only both do not fit together"
    return [row("refusal.storage", alone, "us", 1e6 / scan, note)]


def full_rows(bench: Bench) -> list[Row]:
    """The same guests, with every cluster open and with the older half at their thresholds.

    Both know of thresholds; the two take turns, and each guest leaves before the next comes.
    """
    sums, rows = bench.capacity.hosts.clusters, list[Row]()
    every_open = Bounds("open", array("q", sums.offered_mhz), array("q", sums.offered_mib))
    closed = Bounds("full", array("q", sums.offered_mhz), array("q", sums.offered_mib))
    known = [number for number, offered in enumerate(sums.offered_mib) if offered]
    for number in known[: len(known) // 2]:
        closed.most_mib[number] = sums.used_mib[number]
    for policy in (first_fit, pack, spread):
        took: dict[str, list[int]] = {"open": [], "full": []}
        for turn in range(2_400):
            bounds = (every_open, closed)[turn % 2]
            request = msgspec.structs.replace(bench.request(policy), bounds=bounds)
            # Each has an index of its own, as each is asked in another speed of core.
            request = msgspec.structs.replace(request, cpu_mhz=GUEST_MHZ - turn % 2)
            hold, began = bench.new_id(), time.thread_time_ns()
            bench.allocator.place(request, hold)
            took[str(bounds.why)].append(time.thread_time_ns() - began)
            bench.allocator.forget(hold)
        full, without = (statistics.mean(took[name][400:]) / 1000 for name in ("full", "open"))
        rows.append(row(f"full_clusters.{policy.__name__}", full, "us", without))
    return rows


def quality_rows() -> list[Row]:
    """Hosts that each policy uses for the same guests, against what no packing can do with less."""
    made = []
    for name, policy in (("pack", pack), ("first_fit", first_fit), ("spread", spread)):
        bench = Bench(QUALITY_HOSTS)
        cpu = memory = 0
        for _ in range(QUALITY_GUESTS):
            cores, mib = bench.rng.choice(UNEVEN)
            request = msgspec.structs.replace(
                bench.request(policy), cpu_count=cores, memory_mib=mib
            )
            bench.settle(bench.allocator.place(request, bench.new_id()))
            cpu += request.cpu_count * request.cpu_mhz
            memory += request.memory_mib
        used = len({held.host_id for held in bench.capacity.holds.values()})
        offered = int(CORES * CORE_MHZ * OVERCOMMIT)
        bound = max(-(-cpu // offered), -(-memory // MEMORY_MIB))
        made.append(row(f"hosts_used.{name}", used, "hosts", bound))
    return made


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
        for write in decision.appends:
            addresses.fold(bench.recorded(write.stream, write.expected + 1, write.event))

    def take(hold: Any) -> None:
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
        row("address.fill_16", filling, "addresses/s", finding),
        row("address.churn_16", per_second(churn, len(some)), "rounds/s", finding),
    ]


def per_second(work: Callable[[], object], count: int) -> float:
    began = time.thread_time()
    work()
    return count / (time.thread_time() - began)


def run() -> list[Row]:
    rows: list[Row] = []
    for host_count in (SMALL, LARGE):
        bench = Bench(host_count)
        bench.fill(FULL)
        set_aside()
        if (kept := heap()) is not None:  # as a controller does
            collapse_all(kept)
        scan, label = 1e9 / flat_scan_ns(bench), f"{host_count // 1000}k_hosts"
        for case in CASES:
            rows += deciding(bench, case, scan, label)
        if host_count == LARGE:
            rows += [batch_row(bench, scan), *refusal_rows(bench)]
            rows += [*storage_rows(bench, scan), *full_rows(bench)]
    rates = {one["name"]: one["value"] for one in rows}
    for case in CASES:
        small, large = (rates[f"allocator.{case.name}.{n}k_hosts"] for n in (1, 30))
        rows.append(row(f"{case.name}.cost_30k_over_1k", small / large, "times"))
    return rows + quality_rows() + address_rows()


async def measure() -> list[Row]:
    """All figures; the work is off the loop, since nothing else shares these folds."""
    async with asyncio.timeout(600):
        return await asyncio.to_thread(run)


if __name__ == "__main__":
    for one in asyncio.run(measure()):
        print(json.dumps(one))
