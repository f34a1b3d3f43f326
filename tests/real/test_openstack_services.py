"""The services themselves: Keystone, Nova, Glance, Placement, Neutron and Cinder.

Guests' lives through the API, and one by the driver alone, on two compute hosts of Nova's fake
hypervisor, on disks whose bytes are real. The services take minutes to install and to start, so
this runs under `make test-real` alone.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from drivers.contract.compute import (
    Adoption,
    DiskAttachment,
    GuestSpec,
    HostAddress,
    NicSpec,
    Power,
)
from drivers.contract.driver import HostSession
from drivers.contract.errors import Refused
from drivers.contract.storage import DiskPlace, DiskSpec, DiskStatus, ImageSource, PoolSpec
from drivers.openstack.driver import make_all
from tests.e2e.server import serving
from tests.peers.openstack import real
from tests.real.openstack_lives import Lives
from tests.real.openstack_site import Site, Witness, added

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

GIB, MIB = 1024**3, 1024**2
NIC = NicSpec(nic_id=uuid4(), mac="fa:16:3e:00:00:11")


@pytest.fixture(scope="module")
def keystone() -> Iterator[str]:
    if lacking := real.missing():
        if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
            pytest.fail(f"no region can run here: {lacking}")
        pytest.skip(f"no region can run here: {lacking}")
    with real.region() as region:
        yield region.keystone


@pytest.fixture(scope="module")
def site(keystone: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("services")
    witness = Witness(keystone, "admin", real.PASSWORD)
    witness.sign_in()
    settings = {"SAGASTACK_DRIVER_OPENSTACK": "poll_s=0.5,call_s=300,task_s=800"}
    with serving(folder / "home", SAGASTACK_RECONCILE_S="5", **settings) as server:
        yield added(witness, server, folder)


class TestTheServices(Lives):
    """Each life that our own server of a region shows, on the real ones."""


@dataclass
class Bench:
    """Two hosts, two pools and an image that begins with a mark after its first MiB."""

    hosts: tuple[HostAddress, ...]
    here: HostSession
    there: HostSession
    fast: PoolSpec
    slow: PoolSpec
    image: ImageSource
    folder: Path

    async def disk(self, **more: ImageSource) -> DiskStatus:
        spec = DiskSpec(volume_id=uuid4(), size_bytes=GIB, **more)
        return await self.here.create_disk(self.fast, spec, key=uuid4())

    async def clear(self) -> None:
        for pool in (self.fast, self.slow):
            for one in await self.here.list_disks(pool):
                if one.volume_id is not None:
                    await self.here.remove_disk(pool, one.volume_id, key=uuid4())
            for kept in await self.here.list_snapshots(pool):
                assert kept.snapshot_id is not None
                await self.here.remove_snapshot(pool, kept.snapshot_id, key=uuid4())


def plug(disk: DiskStatus, device: int) -> DiskAttachment:
    assert disk.volume_id is not None
    return DiskAttachment(
        volume_id=disk.volume_id, path=disk.path, device=device, image_format="raw"
    )


def tool(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


async def test_a_life_on_the_services_themselves(keystone: str, tmp_path: Path) -> None:
    (driver,) = make_all({"poll_s": "0.5", "call_s": "300", "task_s": "800"})
    region = keystone.replace("http://", "openstack+http://")
    address = HostAddress(
        url=f"{region}?region=RegionOne&project=cloud&network=public",
        username="admin@Default",
        password=real.PASSWORD,
    )
    with pytest.raises(Refused, match="password"):
        await driver.discover(replace(address, password="guess"))
    hosts = await driver.discover(address)
    assert [one.url.split("host=")[1] for one in hosts] == list(real.COMPUTE_HOSTS)
    made = tmp_path / "image.qcow2"
    tool("qemu-img", "create", "-q", "-f", "qcow2", str(made), "8M")
    tool("qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 1M 64k", str(made))
    bench = Bench(
        hosts=hosts,
        here=await driver.connect(hosts[0]),
        there=await driver.connect(hosts[1]),
        fast=PoolSpec(pool_id=uuid4(), url="cinder://fast"),
        slow=PoolSpec(pool_id=uuid4(), url="cinder://slow"),
        image=ImageSource(
            image_id=uuid4(), path=str(made), image_format="qcow2", virtual_bytes=8 * MIB
        ),
        folder=tmp_path,
    )
    for pool in (bench.fast, bench.slow):
        assert (await bench.here.open_pool(pool)).capacity_bytes == 200 * GIB
    root = await bench.disk(image=bench.image)
    try:
        await lives(bench, root)
        await copies(bench, root)
        await from_nothing(bench)
        await known(bench)
    finally:
        await bench.clear()
    assert await bench.here.drop_image(bench.fast, bench.image.image_id, key=uuid4())
    assert await bench.here.list_guests() == []
    await driver.close()


async def lives(bench: Bench, root: DiskStatus) -> None:
    """From a start to a removal, by way of plugs, a snapshot, reboots and another host."""
    here, there, key = bench.here, bench.there, uuid4()
    spec = GuestSpec(
        guest_id=uuid4(),
        name="first guest",
        cpu_count=1,
        cpu_mhz=500,
        memory_mib=256,
        disks=(plug(root, 0),),
        nics=(NIC,),
        config=(("openstack/latest/user_data", b"#cloud-config\n"),),
    )
    guest = spec.guest_id
    try:
        told = await here.start_guest(spec, key=key)
        assert (told.power, told.key, told.disks) == (Power.RUNNING, key, (root.path,))
        assert (told.cpu_count, told.memory_mib) == (1, 256)
        assert await here.list_guests() == [told]
        assert [one.guest_id for one in await here.guest_stats()] == [guest]
        assert (await here.console(guest)).token
        data = await bench.disk()
        assert data.volume_id is not None
        await here.attach_disk(guest, plug(data, 1), key=uuid4())
        grown = await here.resize_disk(bench.fast, data.volume_id, size_bytes=2 * GIB, key=uuid4())
        assert grown.size_bytes == 2 * GIB
        with pytest.raises(Refused, match="uses it"):
            await here.remove_disk(bench.fast, data.volume_id, key=uuid4())
        await here.detach_disk(guest, data.volume_id, key=uuid4())
        other = NicSpec(nic_id=uuid4(), mac="fa:16:3e:00:00:12")
        await here.attach_nic(guest, other, key=uuid4())
        await here.detach_nic(guest, other.nic_id, key=uuid4())
        for force in (False, True):
            await here.reboot_guest(guest, force=force, key=uuid4())
        await here.disown_guest(guest, key=uuid4())
        (stranger,) = await here.survey_strangers()
        assert [one.path for one in stranger.disks] == [root.path]
        ask = Adoption(guest_id=guest, name="again")
        await here.adopt_guest(stranger.name, ask, key=uuid4())
        await here.migrate_guest(guest, bench.hosts[1], key=uuid4())
        moved = await there.find_guest(guest)
        assert moved is not None and moved.power is Power.RUNNING
        assert await here.find_guest(guest) is None
        await there.stop_guest(guest, grace_s=60, key=uuid4())
    finally:
        for session in (here, there):
            await session.remove_guest(guest, key=uuid4())
    assert await there.find_guest(guest) is None


async def known(bench: Bench) -> None:
    """What is looked at from time to time: the host, the pool's images, and strangers' disks."""
    here = bench.here
    assert (await here.host_stats()).memory_used_bytes > 0
    assert bench.image.image_id in await here.list_images(bench.fast)
    before = {one.path for one in await here.list_disks(bench.fast)}
    disk = await bench.disk()
    assert disk.volume_id is not None
    await here.disown_disk(bench.fast, disk.volume_id, key=uuid4())
    assert await here.find_disk(bench.fast, disk.volume_id) is None
    (path,) = {one.path for one in await here.list_disks(bench.fast)} - before
    again = await here.adopt_disk(bench.fast, path, disk.volume_id, key=uuid4())
    assert again.size_bytes == disk.size_bytes


async def from_nothing(bench: Bench) -> None:
    """A guest starts from a disk that no image made, which Nova refuses by itself."""
    blank = await bench.disk()
    spec = GuestSpec(
        guest_id=uuid4(),
        name="from nothing",
        cpu_count=1,
        cpu_mhz=500,
        memory_mib=256,
        disks=(plug(blank, 0),),
    )
    told = await bench.here.start_guest(spec, key=uuid4())
    assert (told.power, told.disks) == (Power.RUNNING, (blank.path,))
    await bench.here.remove_guest(spec.guest_id, key=uuid4())


async def copies(bench: Bench, root: DiskStatus) -> None:
    """A snapshot, back to it, into another type, out to a file, and in again."""
    here, volume_id, snapshot_id = bench.here, root.volume_id, uuid4()
    assert volume_id is not None
    kept = await here.snapshot_disk(bench.fast, volume_id, snapshot_id, key=uuid4())
    assert await here.find_snapshot(bench.fast, snapshot_id) == kept
    back = await here.revert_disk(bench.fast, volume_id, snapshot_id, key=uuid4())
    assert back.path == root.path
    other, place = uuid4(), DiskPlace(pool=bench.fast, disk_id=volume_id)
    spec = DiskSpec(volume_id=other, size_bytes=GIB)
    await here.copy_disk(place, bench.slow, spec, key=uuid4())
    path = str(bench.folder / "out.qcow2")
    place = DiskPlace(pool=bench.slow, disk_id=other)
    facts = await here.export_disk(place, path, key=uuid4())
    assert facts.virtual_bytes == GIB
    tool("qemu-io", "-r", "-f", "qcow2", "-c", "read -P 0x5a 1M 64k", path)
    image = replace(bench.image, image_id=uuid4(), path=path, virtual_bytes=GIB)
    spec = DiskSpec(volume_id=uuid4(), size_bytes=GIB, image=image)
    brought = await here.import_disk(bench.fast, spec, key=uuid4())
    assert brought.size_bytes == GIB
