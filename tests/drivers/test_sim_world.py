"""The simulated world: it outlives its process, obeys nature, and knows what is left in it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from drivers.contract.compute import DiskAttachment, GuestSpec, HostAddress, NicSpec, Power
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import DiskSpec, PoolSpec
from drivers.sim import SimDriver, SimWorld, make
from drivers.sim.session import SimSession
from tests.drivers.harness_sim import guest_spec

ONE, TWO = HostAddress(url="sim://one.test"), HostAddress(url="sim://two.test")
POOL = PoolSpec(pool_id=UUID(int=1), url="nfs://admin:hush@store.test/primary?capacity_gib=10")
GIB = 1024**3


async def disk_on(session: SimSession, size_bytes: int = GIB) -> DiskAttachment:
    spec = DiskSpec(volume_id=uuid4(), size_bytes=size_bytes)
    disk = await session.create_disk(POOL, spec, key=uuid4())
    return DiskAttachment(volume_id=spec.volume_id, path=disk.path, device=0)


async def run_guest(session: SimSession) -> GuestSpec:
    nic = NicSpec(nic_id=uuid4(), mac="02:00:00:00:00:01")
    spec = guest_spec(uuid4(), disks=[await disk_on(session)], nics=[nic])
    await session.start_guest(spec, key=uuid4())
    return spec


# Survival.

STARTER = """
import asyncio, sys
from uuid import uuid4
from drivers.contract.compute import GuestSpec, HostAddress
from drivers.sim import make

async def main():
    host = await make({"state": sys.argv[1]}).connect(HostAddress(url="sim://one.test"))
    while True:
        spec = GuestSpec(
            guest_id=uuid4(), name="g", cpu_count=1, cpu_mhz=1, memory_mib=1, disks=()
        )
        await host.start_guest(spec, key=uuid4())
        print(spec.guest_id, flush=True)

asyncio.run(main())
"""


def test_world_survives_the_death_of_its_controller(tmp_path: Path) -> None:
    """Every start that was acknowledged before SIGKILL is there; at most one more is."""
    state = tmp_path / "world.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(state)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as starter:
        assert starter.stdout is not None
        told = [starter.stdout.readline().strip() for _ in range(300)]
        os.kill(starter.pid, signal.SIGKILL)
        told += starter.stdout.read().split()
    world = SimWorld.open(state)
    there = {str(guest.guest_id) for guest in world.residue().guests}
    assert set(told) <= there
    assert len(there) - len(told) <= 1
    world.close()


async def test_reopened_world_is_the_same_to_the_byte(tmp_path: Path) -> None:
    state = tmp_path / "world.jsonl"
    driver = make({"state": str(state)})
    one, two = await driver.connect(ONE), await driver.connect(TWO)
    gone, stays = await run_guest(one), await run_guest(one)
    await one.migrate_guest(stays.guest_id, TWO, key=uuid4())
    await one.remove_guest(gone.guest_id, key=uuid4())
    await two.resize_disk(POOL, stays.disks[0].volume_id, size_bytes=2 * GIB, key=uuid4())
    driver.world.partition(ONE.url)
    before = driver.world.dump()
    await driver.close()
    assert b"hush" not in state.read_bytes(), "a password of a pool's URL is in the journal"
    world = SimWorld.open(state)
    assert world.dump() == before
    assert world.users(stays.disks[0].volume_id) == {(TWO.url, str(stays.guest_id))}
    lines = state.read_bytes().count(b"\n")
    assert lines == len(list(world.rows())), "the journal was not compacted"
    world.close()


async def test_half_a_line_never_became_true(tmp_path: Path) -> None:
    state = tmp_path / "world.jsonl"
    driver = make({"state": str(state)})
    await run_guest(await driver.connect(ONE))
    before = driver.world.dump()
    await driver.close()
    with state.open("ab") as file:
        file.write(b'[["gone","guest","sim://one')
    world = SimWorld.open(state)
    assert world.dump() == before
    world.close()


def test_a_damaged_journal_is_refused_with_its_line(tmp_path: Path) -> None:
    state = tmp_path / "world.jsonl"
    state.write_bytes(b"[]\nnonsense\n")
    with pytest.raises(Refused, match="line 2"):
        SimWorld.open(state)
    assert state.read_bytes() == b"[]\nnonsense\n"


def test_two_processes_cannot_share_a_world(tmp_path: Path) -> None:
    world = SimWorld.open(tmp_path / "world.jsonl")
    with pytest.raises(Refused, match="another process"):
        SimWorld.open(tmp_path / "world.jsonl")
    world.close()
    SimWorld.open(tmp_path / "world.jsonl").close()


async def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "world.jsonl"
    driver = make({"state": str(state)})
    session = await driver.connect(ONE)
    before, kept, write = driver.world.dump(), state.read_bytes(), os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:10]))
    with pytest.raises(Unavailable, match="full"):
        await session.start_guest(guest_spec(uuid4()), key=uuid4())
    assert driver.world.dump() == before
    assert state.read_bytes() == kept
    monkeypatch.undo()
    await session.start_guest(guest_spec(uuid4()), key=uuid4())
    await driver.close()


# Nature.


async def test_a_host_without_power_loses_its_guests_and_not_their_disks() -> None:
    driver = SimDriver(SimWorld())
    session = await driver.connect(ONE)
    await run_guest(session)
    driver.world.power_off_host(ONE.url)
    with pytest.raises(Unavailable, match="without power"):
        await session.list_guests()
    with pytest.raises(Unavailable):
        await driver.connect(ONE)
    driver.world.power_on_host(ONE.url)
    assert await session.list_guests() == []
    assert len(driver.world.residue().disks) == 1


async def test_guests_run_on_behind_a_partition_and_keep_their_disks_locked() -> None:
    driver = SimDriver(SimWorld())
    one, two = await driver.connect(ONE), await driver.connect(TWO)
    spec = await run_guest(one)
    driver.world.partition(ONE.url)
    with pytest.raises(Unavailable, match="out of reach"):
        await one.find_guest(spec.guest_id)
    with pytest.raises(Unavailable, match="locked by guest"):
        await two.start_guest(spec, key=uuid4())
    driver.world.heal()
    found = await one.find_guest(spec.guest_id)
    assert found is not None and found.power is Power.RUNNING


async def test_a_dead_guest_lets_go_of_its_disk_and_a_crashed_one_does_not() -> None:
    driver = SimDriver(SimWorld())
    session = await driver.connect(ONE)
    spec = await run_guest(session)
    driver.world.kill_guest(spec.guest_id, power=Power.CRASHED)
    with pytest.raises(Refused, match="used by guest"):
        await session.remove_disk(POOL, spec.disks[0].volume_id, key=uuid4())
    driver.world.kill_guest(spec.guest_id)
    await session.remove_disk(POOL, spec.disks[0].volume_id, key=uuid4())


async def test_residue_names_all_that_is_left() -> None:
    driver = SimDriver(SimWorld())
    session = await driver.connect(ONE)
    assert not driver.world.residue()
    spec = await run_guest(session)
    driver.world.add_stranger(TWO.url, "not-ours")
    driver.world.add_stray_disk(POOL.url, "old.qcow2", size_bytes=GIB)
    left = driver.world.residue()
    assert [guest.guest_id for guest in left.guests] == [spec.guest_id, None]
    assert {disk.volume_id for disk in left.disks} == {spec.disks[0].volume_id, None}
    assert left.nics == spec.nics
    assert all(guest.key for guest in left.guests if guest.guest_id)


# Hosts and pools from their URLs.


async def test_a_url_says_what_its_host_is_like() -> None:
    driver = SimDriver(SimWorld())
    plain = await (await driver.connect(HostAddress(url="http://10.0.0.7"))).inspect()
    assert (plain.cpu_count, plain.cpu_mhz, plain.memory_bytes) == (32, 2600, 256 * GIB)
    assert plain.name == "10.0.0.7"
    url = "sim://rack-1/a?cpus=8&mhz=3000&memory_gib=16&name=alpha"
    asked = await (await driver.connect(HostAddress(url=url))).inspect()
    assert (asked.cpu_count, asked.cpu_mhz, asked.memory_bytes) == (8, 3000, 16 * GIB)
    assert asked.name == "alpha"
    assert asked.hardware_id != plain.hardware_id


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("sim://x?refuse=1", Refused),
        ("sim://x?unreachable=1", Unavailable),
        ("sim://x?cpus=many", Refused),
        ("", Refused),
    ],
)
async def test_a_url_can_fail(url: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await SimDriver(SimWorld()).connect(HostAddress(url=url))


async def test_a_host_has_only_so_much_memory() -> None:
    session = await SimDriver(SimWorld()).connect(HostAddress(url="sim://x?memory_gib=1"))
    first = guest_spec(uuid4(), memory_mib=600)
    await session.start_guest(first, key=uuid4())
    with pytest.raises(Unavailable, match="424 MiB free"):
        await session.start_guest(guest_spec(uuid4(), memory_mib=600), key=uuid4())
    await session.stop_guest(first.guest_id, grace_s=0, key=uuid4())
    await session.start_guest(guest_spec(uuid4(), memory_mib=600), key=uuid4())


async def test_a_pool_has_only_so_much_space() -> None:
    driver = SimDriver(SimWorld())
    session = await driver.connect(ONE)
    disk = await disk_on(session, 8 * GIB)
    with pytest.raises(Unavailable, match="bytes free"):
        await disk_on(session, 4 * GIB)
    await session.remove_disk(POOL, disk.volume_id, key=uuid4())
    await disk_on(session, 4 * GIB)
    assert (await session.pool_facts(POOL)).used_bytes == 4 * GIB
    driver.world.set_pool_reachable(POOL.url, False)
    with pytest.raises(Unavailable, match="out of reach"):
        await session.list_disks(POOL)


async def test_the_serial_line_tells_of_a_boot(tmp_path: Path) -> None:
    driver = make({"serial_dir": str(tmp_path)})
    session = await driver.connect(ONE)
    spec = await run_guest(session)
    log = (await session.console(spec.guest_id)).serial_log
    said = await asyncio.to_thread(Path(log).read_text)
    assert f"{spec.name} login:" in said
    await session.remove_guest(spec.guest_id, key=uuid4())
    assert os.listdir(tmp_path) == []
