"""The simulator is cheap: thirty thousand hosts, thousands of guests a second."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path
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


async def test_thirty_thousand_hosts_are_soon_there() -> None:
    driver = SimDriver(SimWorld())
    began_s = time.perf_counter()
    for number in range(HOSTS):
        session = await driver.connect(HostAddress(url=f"sim://host-{number}.test"))
        await session.inspect()
    assert time.perf_counter() - began_s < 5


async def test_a_thousand_guests_a_second_with_a_journal(tmp_path: Path) -> None:
    """Each with a disk of its own, spread over a hundred hosts."""
    driver, guests = make({"state": str(tmp_path / "world.jsonl")}), 2000
    pool = PoolSpec(pool_id=uuid4(), url="nfs://store.test/primary")
    sessions = [await driver.connect(HostAddress(url=f"sim://{n}.test")) for n in range(100)]
    began_s = time.perf_counter()
    for number in range(guests):
        session, volume_id = sessions[number % 100], uuid4()
        spec = DiskSpec(volume_id=volume_id, size_bytes=MIB)
        disk = await session.create_disk(pool, spec, key=uuid4())
        plug = DiskAttachment(volume_id=volume_id, path=disk.path, device=0)
        await session.start_guest(guest_spec(uuid4(), disks=[plug]), key=uuid4())
    rate = guests / (time.perf_counter() - began_s)
    assert rate > 1000, f"{rate:.0f} guests/s"
    await driver.close()
