"""Guests on a XenServer pool, in what the contract's checks do not look at.

Discs and their bytes, memory that comes back, VLANs upon bonds, guests without PV drivers, moves
from pool to pool, consoles, and counters that are added up from averages.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from drivers.conformance.checks import is_running
from drivers.contract.compute import (
    DiskAttachment,
    DiskLimits,
    DiskMove,
    GuestSpec,
    HostAddress,
    NicSpec,
    Power,
)
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import DiskSpec, DiskStatus, PoolSpec
from drivers.xapi import console, guests, stats
from drivers.xapi.session import XapiSession
from tests.drivers.harness_xapi import XapiHarness, address_of, harness
from tests.peers.xapi import Fault, serving

MIB = 1024**2
USER_DATA = "openstack/latest/user_data"


@pytest.fixture
async def site() -> AsyncIterator[XapiHarness]:
    async with harness() as one:
        assert isinstance(one, XapiHarness)
        yield one


class Bench:
    """A session, and guests that are cleared away with their disks."""

    def __init__(self, site: XapiHarness, session: XapiSession) -> None:
        self.site, self.session = site, session

    async def disk(self) -> DiskStatus:
        spec = DiskSpec(volume_id=uuid4(), size_bytes=16 * MIB, image=self.site.image())
        return await self.session.create_disk(self.site.pool(), spec, key=uuid4())

    async def spec(self) -> GuestSpec:
        return self.site.guest(disks=[held(await self.disk())])

    async def start(self, spec: GuestSpec | None = None) -> GuestSpec:
        spec = spec or await self.spec()
        await self.session.start_guest(spec, key=uuid4())
        return spec

    async def clear(self) -> None:
        for one in await self.session.list_guests():
            if one.guest_id is not None:
                await self.session.remove_guest(one.guest_id, key=uuid4())
        for pool in (self.site.pool(), self.site.second_pool()):
            for disk in await self.session.list_disks(pool):
                if disk.volume_id is not None:
                    await self.session.remove_disk(pool, disk.volume_id, key=uuid4())

    def vm(self, guest_id: UUID) -> str:
        store = self.site.world.store
        return next(
            ref
            for ref in store.refs("VM", is_a_snapshot=False)
            if store.get("VM", ref)["other_config"].get("sagastack-id") == str(guest_id)
        )


def held(disk: DiskStatus, device: int = 0) -> DiskAttachment:
    assert disk.volume_id is not None
    return DiskAttachment(volume_id=disk.volume_id, path=disk.path, device=device)


@pytest.fixture
async def bench(site: XapiHarness) -> AsyncIterator[Bench]:
    session = await site.driver.connect(site.of(0))
    assert isinstance(session, XapiSession)
    for pool in (site.pool(), site.second_pool()):
        await session.open_pool(pool)
    one = Bench(site, session)
    yield one
    await one.clear()


async def test_a_config_disc_is_a_disk_that_its_guest_reads(bench: Bench) -> None:
    spec = replace(await bench.spec(), config=((USER_DATA, b"#cloud-config\n"),))
    await bench.start(spec)
    store, vm = bench.site.world.store, bench.vm(spec.guest_id)
    device = store.get("VBD", store.refs("VBD", VM=vm, userdevice="15")[0])
    assert (device["mode"], device["type"]) == ("RO", "Disk")
    content = bench.site.world.file(device["VDI"]).read_bytes()
    assert content[32_768 + 40 :][:8] == b"config-2" and b"#cloud-config\n" in content
    found = await bench.session.find_guest(spec.guest_id)
    assert found is not None and found.disks == (spec.disks[0].path,), "the disc is scratch"
    await bench.session.stop_guest(spec.guest_id, grace_s=0, key=uuid4())
    await bench.session.remove_guest(spec.guest_id, key=uuid4())
    assert not store.has("VDI", device["VDI"])


async def test_memory_comes_back_with_the_disks(bench: Bench) -> None:
    spec = replace(await bench.spec(), config=((USER_DATA, b"told"),))
    await bench.start(spec)
    world, kept = bench.site.world, uuid4()
    memory = world.memory[bench.vm(spec.guest_id)]
    ask = (spec.guest_id, kept, spec.disks)
    await bench.session.snapshot_guest(*ask, with_memory=True, key=uuid4())
    await bench.session.reboot_guest(spec.guest_id, force=True, key=uuid4())
    assert world.memory[bench.vm(spec.guest_id)] != memory
    await bench.session.revert_guest(*ask, with_memory=True, key=uuid4())
    assert world.memory[bench.vm(spec.guest_id)] == memory
    assert is_running(await bench.session.find_guest(spec.guest_id))


async def test_a_guest_with_a_checkpoint_rests_while_it_is_off(bench: Bench) -> None:
    """It is on no host, wakes at its next start, and can still go back."""
    spec, session, kept = await bench.start(), bench.session, uuid4()
    await bench.site.write(spec.disks[0].path, 1)
    ask = (spec.guest_id, kept, spec.disks)
    await session.snapshot_guest(*ask, with_memory=True, key=uuid4())
    await session.stop_guest(spec.guest_id, grace_s=0, key=uuid4())
    await session.remove_guest(spec.guest_id, key=uuid4())
    assert await session.list_guests() == []
    await bench.site.write(spec.disks[0].path, 2)
    await bench.start(spec)
    await session.revert_guest(*ask, with_memory=True, key=uuid4())
    assert await bench.site.read(spec.disks[0].path) == 1
    await session.remove_guest(spec.guest_id, key=uuid4())
    await session.forget_snapshot(*ask, key=uuid4())
    assert "VM" not in bench.site.world.left_over()


async def test_a_checkpoint_goes_with_its_disks(bench: Bench) -> None:
    spec, session, kept = await bench.start(), bench.session, uuid4()
    ask = (spec.guest_id, kept, spec.disks)
    await session.snapshot_guest(*ask, with_memory=True, key=uuid4())
    await session.remove_guest(spec.guest_id, key=uuid4())
    await session.remove_disk(bench.site.pool(), spec.disks[0].volume_id, key=uuid4())
    assert "VM" not in bench.site.world.left_over()


async def test_disks_of_a_running_guest_are_kept_without_its_memory(bench: Bench) -> None:
    spec, session, kept = await bench.start(), bench.session, uuid4()
    await bench.site.write(spec.disks[0].path, 1)
    ask = (spec.guest_id, kept, spec.disks)
    for _ in range(2):
        await session.snapshot_guest(*ask, with_memory=False, key=uuid4())
    await bench.site.write(spec.disks[0].path, 2)
    with pytest.raises(Refused, match="when it is off"):
        await session.revert_guest(*ask, with_memory=False, key=uuid4())
    await session.remove_guest(spec.guest_id, key=uuid4())
    await session.revert_guest(*ask, with_memory=False, key=uuid4())
    assert await bench.site.read(spec.disks[0].path) == 1


# ---- networks -------------------------------------------------------------------------------


async def test_a_vlan_is_made_once_upon_the_bond_of_every_host(bench: Bench) -> None:
    world, spec = bench.site.world, await bench.spec()
    nics = [
        NicSpec(nic_id=uuid4(), mac=f"02:00:00:00:01:0{n}", bridge="guests", vlan=100)
        for n in range(2)
    ]
    await bench.start(replace(spec, nics=tuple(nics)))
    cards = [world.store.get("PIF", ref) for ref in world.store.refs("PIF", VLAN=100)]
    assert [card["device"] for card in cards] == ["bond0", "bond0"]
    assert {card["host"] for card in cards} == set(world.hosts)
    vifs = [world.store.get("VIF", ref) for ref in world.store.refs("VIF")]
    assert {vif["network"] for vif in vifs} == {cards[0]["network"]} and len(vifs) == 2
    more = NicSpec(nic_id=uuid4(), mac="02:00:00:00:01:09", bridge="eth1", vlan=100)
    await bench.session.attach_nic(spec.guest_id, more, key=uuid4())
    assert world.store.refs("PIF", VLAN=100) and len(world.store.refs("VLAN")) == 2, "the bond's"


async def test_an_unknown_network_is_refused_with_those_that_are_there(bench: Bench) -> None:
    spec = await bench.spec()
    nic = NicSpec(nic_id=uuid4(), mac="02:00:00:00:01:01", bridge="nowhere")
    with pytest.raises(Refused, match=r"no network 'nowhere'.*guests"):
        await bench.start(replace(spec, nics=(nic,)))
    assert await bench.session.list_guests() == []


# ---- what goes wrong ------------------------------------------------------------------------


async def test_a_guest_without_tools_is_told_of(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is plugged, nothing half plugged stays, and a stop cuts the power at once."""
    bench.site.world.behaviour.has_drivers = False
    monkeypatch.setattr(guests, "DRIVERS_S", 0.3)
    spec, data = await bench.start(), await bench.disk()
    with pytest.raises(Refused, match="install the guest tools"):
        await bench.session.attach_disk(spec.guest_id, held(data, 1), key=uuid4())
    vm = bench.vm(spec.guest_id)
    assert len(bench.site.world.store.refs("VBD", VM=vm, type="Disk")) == 1
    async with asyncio.timeout(60):
        await bench.session.stop_guest(spec.guest_id, grace_s=600, key=uuid4())
    found = await bench.session.find_guest(spec.guest_id)
    assert found is not None and found.power is Power.OFF


async def test_a_guest_whose_disk_has_just_become_another_is_looked_at_again(bench: Bench) -> None:
    """XenServer ends a move between the look at the guest and the one at its disk."""
    spec = await bench.start()
    faults = bench.site.world.behaviour.faults
    faults["VDI.get_record"] = Fault(error=("HANDLE_INVALID", "VDI", "OpaqueRef:moved"))
    assert is_running(await bench.session.find_guest(spec.guest_id))
    assert not faults
    faults["VDI.get_record"] = Fault(error=("HANDLE_INVALID", "VDI", "OpaqueRef:moved"), times=9)
    with pytest.raises(Unavailable, match="HANDLE_INVALID"):
        await bench.session.find_guest(spec.guest_id)


async def test_a_full_host_is_unavailable_and_keeps_nothing(bench: Bench) -> None:
    await bench.start(replace(await bench.spec(), memory_mib=10 * 1024))
    second = replace(await bench.spec(), memory_mib=10 * 1024)
    with pytest.raises(Unavailable, match="free memory on the host"):
        await bench.start(second)
    assert len(await bench.session.list_guests()) == 1


async def test_limits_of_disks_are_refused(bench: Bench) -> None:
    spec = await bench.spec()
    limited = replace(spec.disks[0], limits=DiskLimits(total_iops=5))
    with pytest.raises(Refused, match="limits no disk"):
        await bench.start(replace(spec, disks=(limited,)))


async def test_a_guest_of_another_host_is_not_touched(bench: Bench) -> None:
    """A late removal at the source does not stop the guest at the target."""
    spec, site = await bench.start(), bench.site
    there = await site.driver.connect(site.of(1))
    await bench.session.migrate_guest(spec.guest_id, site.of(1), key=uuid4())
    await bench.session.stop_guest(spec.guest_id, grace_s=0, key=uuid4())
    await bench.session.remove_guest(spec.guest_id, key=uuid4())
    assert is_running(await there.find_guest(spec.guest_id))
    with pytest.raises(Refused, match="runs on host beta"):
        await bench.session.start_guest(spec, key=uuid4())
    await there.remove_guest(spec.guest_id, key=uuid4())


async def test_a_dead_host_is_unavailable_and_its_guests_are_not_started_twice(
    bench: Bench,
) -> None:
    """Nobody knows what they do: a person must say that the host is dead."""
    site, world = bench.site, bench.site.world
    there = await site.driver.connect(site.of(1))
    spec = await bench.spec()
    await there.start_guest(spec, key=uuid4())
    assert world.server is not None
    world.server.host_down(world.hosts[1])
    for verb in (there.inspect, there.list_guests, there.host_stats):
        with pytest.raises(Unavailable):
            await verb()
    with pytest.raises(Unavailable, match="does not answer its master"):
        await bench.session.start_guest(spec, key=uuid4())
    assert await bench.session.list_guests() == []
    world.store.put(world.store.get("host", world.hosts[1])["metrics"], live=True)
    await there.remove_guest(spec.guest_id, key=uuid4())


async def test_uefi_and_secure_boot_reach_the_platform(bench: Bench) -> None:
    spec = await bench.start(replace(await bench.spec(), boot="uefi-secure"))
    record = bench.site.world.store.get("VM", bench.vm(spec.guest_id))
    assert record["HVM_boot_params"]["firmware"] == "uefi"
    assert record["platform"]["secureboot"] == "true"


# ---- from pool to pool ----------------------------------------------------------------------


async def test_a_guest_moves_to_another_pool_with_its_disk(bench: Bench, tmp_path: Path) -> None:
    site = bench.site
    async with serving(tmp_path / "far") as far:
        far.add_sr("far")
        address: HostAddress = address_of(far, 1)
        there = await site.driver.connect(address)
        pool = PoolSpec(pool_id=uuid4(), url="presetup://far")
        await there.open_pool(pool)
        nic = NicSpec(nic_id=uuid4(), mac="02:00:00:00:02:01", bridge="guests")
        spec = await bench.start(replace(await bench.spec(), nics=(nic,)))
        disk = spec.disks[0]
        await site.write(disk.path, 9)
        memory = site.world.memory[bench.vm(spec.guest_id)]
        move = DiskMove(volume_id=disk.volume_id, pool=pool, size_bytes=16 * MIB)
        for _ in range(2):
            await bench.session.migrate_guest(spec.guest_id, address, key=uuid4(), moves=(move,))
        found = await there.find_guest(spec.guest_id)
        copy = await there.find_disk(pool, disk.volume_id)
        assert is_running(found) and found is not None and copy is not None
        assert found.disks == (copy.path,) and list(far.memory.values()) == [memory]
        far_site = XapiHarness(far, Path(), tmp_path)
        assert await far_site.read(copy.path) == 9
        assert await bench.session.list_guests() == []
        assert await bench.session.find_disk(site.pool(), disk.volume_id) is None
        await there.remove_guest(spec.guest_id, key=uuid4())
        await there.remove_disk(pool, disk.volume_id, key=uuid4())
        await there.close()


# ---- watching -------------------------------------------------------------------------------


async def test_a_screen_is_brought_to_a_port_here(bench: Bench) -> None:
    """Also that of a guest on another member than the one that is asked."""
    spec, site = await bench.start(), bench.site
    there = await site.driver.connect(site.of(1))
    await bench.session.migrate_guest(spec.guest_id, site.of(1), key=uuid4())
    screen = await there.console(spec.guest_id)
    reader, writer = await asyncio.open_connection(screen.vnc_host, screen.vnc_port)
    async with asyncio.timeout(60):
        assert await reader.readline() == b"RFB 003.008\n"
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
    writer.close()
    await there.remove_guest(spec.guest_id, key=uuid4())
    await there.close()


async def test_only_so_many_screens_have_a_port(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guests come and go for years, and the controller has so many files."""
    monkeypatch.setattr(console, "PORTS_MAX", 1)
    first, second = await bench.start(), await bench.start()
    ports = [(await bench.session.console(one.guest_id)).vnc_port for one in (first, second)]
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", ports[0])
    for guest in (second, second, first):
        screen = await bench.session.console(guest.guest_id)
        reader, writer = await asyncio.open_connection(screen.vnc_host, screen.vnc_port)
        async with asyncio.timeout(60):
            assert await reader.readline() == b"RFB 003.008\n"
        writer.close()


async def test_counters_are_added_up_from_averages(bench: Bench) -> None:
    spec = await bench.start()
    world, vm = bench.site.world, bench.vm(spec.guest_id)
    world.started[vm] -= 100
    first = (await bench.session.guest_stats())[0]
    assert 90 <= first.cpu_time_ns / 0.5e9 <= 105
    assert first.disks[0].volume_id == spec.disks[0].volume_id
    assert first.disk_read_bytes == first.disks[0].read_bytes == 2 * first.disk_write_bytes > 0
    assert first.memory_used_bytes == 96 * MIB
    second = (await bench.session.guest_stats())[0]
    assert 0 <= second.cpu_time_ns - first.cpu_time_ns < 0.5e9 * 20, "no row counts twice"
    host = await bench.session.host_stats()
    assert (host.cpu_used_percent, host.uptime_s >= 3590) == (25.0, True)


def test_rows_that_say_nothing_are_left_out() -> None:
    sums: dict[tuple[str, str], stats.Sums] = {}
    told = {
        "meta": {"step": 5, "legend": ["AVERAGE:vm:a:cpu0", "MAX:vm:a:cpu0", "odd"]},
        "data": [
            {"t": 20, "values": [0.5, 9.0, 1.0]},
            {"t": 15, "values": ["NaN", 9.0, 1.0]},
            {"t": 10, "values": [1.0, 9.0, 1.0]},
        ],
    }
    assert stats.add_up(told, 10, sums) == 20
    assert sums["vm", "a"].totals == {"cpu0": 2.5}
