"""The simulator is cheap: what a host or a guest costs does not grow with how many there are."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Coroutine
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

from drivers.contract.compute import DiskAttachment, HostAddress
from drivers.contract.storage import DiskSpec, PoolSpec
from drivers.sim import SimDriver, SimWorld, make
from tests.drivers.harness_sim import guest_spec

HOSTS = 30_000
MIB = 1024**2


async def test_thirty_thousand_hosts_are_small() -> None:
    """A host and its session cost less than a kibibyte, and nothing per host runs."""
    urls = [f"sim://host-{number}.test" for number in range(HOSTS)]
    driver = SimDriver(SimWorld())
    tracemalloc.start()
    sessions = [await driver.connect(HostAddress(url=url)) for url in urls]
    spent_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(driver.world.hosts) == len(sessions) == HOSTS
    assert spent_bytes < HOSTS * 1024, f"{spent_bytes / HOSTS:.0f} bytes a host"


async def test_a_host_costs_the_same_among_thirty_thousand() -> None:
    driver = SimDriver(SimWorld())

    async def another(number: int) -> None:
        session = await driver.connect(HostAddress(url=f"sim://host-{number}.test"))
        await session.inspect()

    await another(0)
    few = await calls_of(another(1))
    for number in range(2, HOSTS):
        await another(number)
    assert 0 < await calls_of(another(HOSTS)) <= few


async def test_a_guest_costs_the_same_among_thousands_with_a_journal(tmp_path: Path) -> None:
    """Each with a disk of its own, spread over a hundred hosts."""
    driver = make({"state": str(tmp_path / "world.jsonl")})
    pool = PoolSpec(pool_id=uuid4(), url="nfs://store.test/primary")
    sessions = [await driver.connect(HostAddress(url=f"sim://{n}.test")) for n in range(100)]

    async def another(number: int) -> None:
        session, volume_id = sessions[number % 100], uuid4()
        spec = DiskSpec(volume_id=volume_id, size_bytes=MIB)
        disk = await session.create_disk(pool, spec, key=uuid4())
        plug = DiskAttachment(volume_id=volume_id, path=disk.path, device=0)
        await session.start_guest(guest_spec(uuid4(), disks=[plug]), key=uuid4())

    await another(0)
    few = await calls_of(another(100))
    for number in range(2000):
        await another(number)
    assert 0 < await calls_of(another(2000)) <= few
    await driver.close()


async def calls_of(work: Coroutine[Any, Any, None]) -> int:
    """How many functions of Python's this calls: what it costs, on any machine."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    gc.disable()  # What is collected just then calls too, whoever made it.
    sys.setprofile(count)
    try:
        await work
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls
