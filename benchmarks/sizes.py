"""What each thing costs against how much there is: hosts, addresses, guests, events; and a picture.

One cloud is filled step by step, and at each size a deploy, a list of a page, a rebuild of all
projections and the memory are measured; the allocator and addresses are filled by themselves. CPU
time throughout. The pictures are `docs/scale/cost.svg`. `python -m benchmarks.sizes 100000` goes as
far as a hundred thousand guests.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from aggregates.address import AddressSpaceCreated
from aggregates.base import Recorded
from aggregates.capacity import CapacitySupplied
from api.dispatch import Request
from benchmarks.cloud import BY, ZONE, deploy, furnish
from benchmarks.crowd import crowd
from benchmarks.day_run import resident_bytes
from benchmarks.lists import signed
from benchmarks.plot import Panel, Point, write
from engine.allocator import Allocator, Decision, PlaceRequest
from engine.collector import settle
from engine.history import History
from projections.addresses import Addresses
from projections.capacity import Capacity
from projections.space import Space
from projections.vm import vms
from sagastack.boot import Controller, controller
from sagastack.settings import Settings

PICTURE = Path(__file__).parents[1] / "docs" / "scale" / "cost.svg"
HOST_COUNTS = (1_000, 3_000, 10_000, 30_000)
SHORT_HOST_COUNTS = (1_000, 10_000)
PREFIXES = (24, 22, 20, 18, 16)
SHORT_PREFIXES = (24, 18)
GUESTS, GUESTS_EACH, HOSTS = (1_000, 3_000, 10_000, 30_000, 100_000), 500, 100
MOST_GUESTS = 30_000
FULL, ROUNDS = 0.9, 4_000
DEPLOYS, PAGES = 48, 40
MIB = 1024**2
Row = dict[str, Any]


class Folds:
    """Allocator and folds without a log: what is decided is folded at once."""

    def __init__(self) -> None:
        self.rng = random.Random(1)
        self.capacity, self.space, self.addresses = Capacity(), Space(), Addresses()
        self.allocator = Allocator(self.capacity, self.space, self.addresses)
        self._position = 0

    def new_id(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128))

    def settle(self, decision: Decision, view: Capacity | Addresses) -> None:
        for one in decision.appends:
            self._position += 1
            view.fold(
                Recorded(
                    position=self._position, stream=one.stream, version=one.expected + 1,
                    at_ms=0, event=one.event,
                )
            )  # fmt: skip


def placing_us(host_count: int) -> float:
    """One guest leaves and one is placed, on hosts nine tenths full."""
    folds, zone = Folds(), UUID(int=1)
    for number in range(host_count):
        row = CapacitySupplied(
            host_id=folds.new_id(), zone_id=zone, pod_id=UUID(int=2 + number // 512),
            cluster_id=UUID(int=10_000 + number // 32), hypervisor="KVM", cpu_count=16,
            cpu_mhz=2600, memory_mib=65_536, tags=[], cpu_overcommit=2.0,
        )  # fmt: skip
        folds.settle(folds.allocator.supply_host(row, row.host_id), folds.capacity)

    def place() -> UUID:
        cores = folds.rng.choice((1, 2, 4, 8))
        hold = folds.new_id()
        ask = PlaceRequest(
            vm_id=hold, zone_id=zone, hypervisor="KVM", cpu_count=cores, cpu_mhz=2000,
            memory_mib=2048 * cores,
        )  # fmt: skip
        folds.settle(folds.allocator.place(ask, hold), folds.capacity)
        return hold

    holds = [place() for _ in range(int(host_count * FULL * 65_536 / (2048 * 3.75)))]

    def turn() -> None:
        at = folds.rng.randrange(len(holds))
        folds.settle(folds.allocator.release(holds[at]), folds.capacity)
        holds[at] = place()

    return cost_us(turn, ROUNDS)


def address_us(prefix: int) -> float:
    """One address of a full range is given back and the lowest free one taken."""
    folds, space_id, size = Folds(), UUID(int=1), 2 ** (32 - prefix)
    created = AddressSpaceCreated(
        purpose="guest_ip4", zone_id=UUID(int=2), first=10 << 24,
        last=(10 << 24) + size - 1, reserved=[10 << 24],
    )  # fmt: skip
    folds.addresses.fold(Recorded(position=1, stream=space_id, version=1, at_ms=0, event=created))

    def take() -> UUID:
        hold = folds.new_id()
        taken = folds.allocator.take_address(space_id, hold, holder=hold, purpose="nic")
        folds.settle(taken, folds.addresses)
        return hold

    holds = [take() for _ in range(size - 1)]

    def turn() -> None:
        at = folds.rng.randrange(len(holds))
        folds.settle(folds.allocator.release_address(holds[at]), folds.addresses)
        holds[at] = take()

    return cost_us(turn, ROUNDS)


def cost_us(work: Callable[[], object], count: int) -> float:
    """CPU microseconds of one, in the best of some goes: others can only make it dearer."""
    best = float("inf")
    for _ in range(4):
        began_s = time.thread_time()
        for _ in range(count // 4):
            work()
        best = min(best, time.thread_time() - began_s)
    return 1e6 * best / (count // 4)


async def of_guests(most: int) -> dict[str, list[Point]]:
    """Deploy, list, rebuild and memory, at each size of one cloud that is filled step by step."""
    lines: dict[str, list[Point]] = {"deploy": [], "list": [], "rebuild": [], "memory": []}
    positions: list[int] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        quiet = Settings(home=Path(folder), port=0, reconcile_s=3600, checkpoint_events=10**9)
        async with controller(quiet) as cloud:
            await furnish(cloud.engine, host_count=HOSTS)
            settle()
            await deploys_us(cloud, "warm")
            empty, first = resident_bytes(), 0
            for size in (size for size in GUESTS if size <= most):
                await crowd(
                    cloud.engine, cloud.log, first=first, accounts=size // GUESTS_EACH,
                    guests_each=GUESTS_EACH, hosts=HOSTS,
                )  # fmt: skip
                first = size // GUESTS_EACH
                guests = float(len(cloud.cloud[vms]))
                settle()
                lines["memory"].append((guests, (resident_bytes() - empty) / MIB))
                lines["deploy"].append((guests, await deploys_us(cloud, f"at{size}") / 1000))
                lines["list"].append((guests, await lists_us(cloud) / 1000))
                positions.append(cloud.cloud.position)
            history = History(cloud.log, Path(folder) / "none")
            for position in positions:  # At the end: what a rebuild leaves free is no guest's.
                began_s = time.process_time()
                await history.rebuild(position)
                lines["rebuild"].append((float(position), time.process_time() - began_s))
    return lines


async def deploys_us(cloud: Controller, label: str) -> float:
    """The controller's CPU for one deploy, several under way: the median of some rounds."""
    took: list[float] = []
    for number in range(3):
        began_s = time.process_time()
        async with asyncio.TaskGroup() as group:
            for at in range(DEPLOYS):
                ask = deploy(f"{label}-{number}-{at}")
                group.create_task(cloud.engine.perform(ask, BY))
        took.append(time.process_time() - began_s)
    return 1e6 * statistics.median(took) / DEPLOYS


async def lists_us(cloud: Controller) -> float:
    """A page of 500, signed, out of all that there are: asked for again and again."""
    keys = await cloud.credentials()
    many = {"listall": "true", "zoneid": str(ZONE), "pagesize": "500", "page": "2"}
    request = Request("GET", parse_qsl(urlsplit(signed(cloud, keys, **many)).query))
    took: list[float] = []
    for _ in range(PAGES):
        began_s = time.thread_time()
        answer = await cloud.gateway.answer(request)
        took.append(time.thread_time() - began_s)
        assert answer.status == 200
    return 1e6 * statistics.median(took)


def picture(lines: dict[str, list[Point]]) -> None:
    guests = "guests there are"
    write(
        PICTURE,
        [
            Panel("1 Place a guest, us CPU", "hosts", {"": lines["place"]}, log_across=True),
            Panel("2 Deploy, ms CPU", guests, {"": lines["deploy"]}, log_across=True),
            Panel("3 Take an address, us CPU", "in a full range", {"": lines["address"]},
                  log_across=True),
            Panel("4 List a page of 500, ms CPU", guests, {"": lines["list"]}, log_across=True),
            Panel("5 Rebuild all projections, s CPU", "events", {"": lines["rebuild"]}),
            Panel("6 Memory of guests, MiB", guests, {"": lines["memory"]}),
        ],
    )  # fmt: skip


def rows(lines: dict[str, list[Point]]) -> list[Row]:
    """Each at its largest size, against its smallest."""
    units = {"place": "us CPU", "address": "us CPU", "deploy": "ms CPU", "list": "ms CPU"}
    units |= {"rebuild": "s CPU", "memory": "MiB"}
    return [
        {
            "name": f"sizes.{name}",
            "value": round(lines[name][-1][1], 3),
            "unit": f"{unit} at {lines[name][-1][0]:,.0f}",
            "limit": round(lines[name][0][1], 3),
            "ratio": round(lines[name][-1][1] / max(lines[name][0][1], 1e-9), 2),
            "note": ", ".join(f"{x:,.0f}: {y:.3g}" for x, y in lines[name]),
        }
        for name, unit in units.items()
        if name in lines
    ]


async def measured(most: int) -> list[Row]:
    place = [(float(size), placing_us(size)) for size in HOST_COUNTS]
    address = [(float(2 ** (32 - one)), address_us(one)) for one in PREFIXES]
    lines = {"place": place, "address": address} | await of_guests(most)
    picture(lines)
    return rows(lines)


async def measure() -> list[Row]:
    return await measured(MOST_GUESTS)


async def short() -> list[Row]:
    """What needs no cloud, in two sizes."""
    place = [(float(size), placing_us(size)) for size in SHORT_HOST_COUNTS]
    address = [(float(2 ** (32 - one)), address_us(one)) for one in SHORT_PREFIXES]
    return rows({"place": place, "address": address})


if __name__ == "__main__":
    for result in asyncio.run(measured(int(sys.argv[1]) if len(sys.argv) > 1 else MOST_GUESTS)):
        print(result)
