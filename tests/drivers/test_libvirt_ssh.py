"""Hosts at the end of SSH: everything that works here works there, and strangers are kept out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest

from drivers.contract.compute import DiskAttachment, GuestSpec, HostAddress, Power
from drivers.contract.driver import Driver, HostSession
from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.contract.hooks import Hook, HookEnd, HookStage
from drivers.contract.routing import GuestNet, Lease, LeaseChange, RouterSpec, Segment
from drivers.contract.storage import DiskPlace, DiskSpec, ImageSource, PoolSpec
from drivers.libvirt.driver import make
from drivers.libvirt.session import LibvirtSession
from drivers.libvirt.ssh import SshShell
from tests.drivers import harness_libvirt as bench
from tests.peers import libvirt as peer
from tests.peers.ssh import PASSWORD, SshHost, ssh_host

pytestmark = pytest.mark.real


# A card of this address on the network asks for a lease, and is gone.
CARD = """
ip link add card type veth peer name wire address "$1" && ip link set card master br0-7 up
ip link set wire up && busybox udhcpc -i wire -f -q -n -t 5 -T 1 -s /bin/true
ip link del card
"""


@pytest.fixture
def hosts() -> peer.LibvirtPair:
    if lacking := bench.missing():
        if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
            pytest.fail(f"no libvirt hosts here: {lacking}")
        pytest.skip(f"NOT TESTED: no libvirt hosts here: {lacking}")
    return peer.pair()


@asynccontextmanager
async def driver(hosts: peer.LibvirtPair, state: Path) -> AsyncIterator[Driver]:
    made = make({**bench.settings(hosts), "local_hosts": [], "state": str(state)})
    try:
        yield made
    finally:
        await made.close()


def by_password(server: SshHost, password: str = PASSWORD) -> HostAddress:
    """As `addHost` names a KVM host."""
    return HostAddress(url=f"http://127.0.0.1:{server.port}", username="root", password=password)


def by_key(server: SshHost) -> HostAddress:
    return HostAddress(
        url=f"qemu+ssh://root@127.0.0.1:{server.port}/system", private_key=server.private_key
    )


async def run_guest(session: HostSession, pool: PoolSpec) -> tuple[DiskAttachment, GuestSpec]:
    image = ImageSource(
        image_id=uuid4(),
        path=str(bench.tiny().disk),
        image_format="qcow2",
        virtual_bytes=bench.IMAGE_BYTES,
    )
    await session.open_pool(pool)
    spec = DiskSpec(volume_id=uuid4(), size_bytes=bench.IMAGE_BYTES, image=image)
    disk = await session.create_disk(pool, spec, key=uuid4())
    root = DiskAttachment(volume_id=spec.volume_id, path=disk.path, device=0)
    guest = bench.guest_spec(disks=[root])
    await session.start_guest(guest, key=uuid4())
    return root, guest


@pytest.mark.parametrize("way", [by_password, by_key])
async def test_a_guest_runs_at_the_end_of_ssh(
    hosts: peer.LibvirtPair, tmp_path: Path, way: object
) -> None:
    """The image is uploaded, the guest runs, and its screen is brought to a port here."""
    assert callable(way)
    pool = PoolSpec(pool_id=uuid4(), url=f"file://{tmp_path}/pool")
    async with ssh_host(hosts.first) as server, driver(hosts, tmp_path / "state") as kvm:
        session = await kvm.connect(way(server))
        assert (await session.inspect()).name == hosts.first.name
        root, guest = await run_guest(session, pool)
        assert [one.guest_id for one in await session.list_guests()] == [guest.guest_id]
        screen = await session.console(guest.guest_id)
        reader, writer = await asyncio.open_connection(screen.vnc_host, screen.vnc_port)
        async with asyncio.timeout(60):
            assert (await reader.readexactly(4)) == b"RFB "
        writer.close()
        await session.remove_guest(guest.guest_id, key=uuid4())
        await session.remove_disk(pool, root.volume_id, key=uuid4())
        assert await session.list_disks(pool) == []
        assert not list((tmp_path / "pool" / ".incoming").iterdir())


async def test_a_router_runs_at_the_end_of_ssh(hosts: peer.LibvirtPair, tmp_path: Path) -> None:
    """A guest that is nothing but a card gets its address from it."""
    net = GuestNet(
        network_id=uuid4(),
        segment=Segment(bridge="br0", vlan=7),
        gateway="10.9.0.1",
        cidr="10.9.0.0/24",
    )
    lease = Lease(nic_id=uuid4(), mac="02:5a:00:00:09:09", ip4="10.9.0.9")
    spec = RouterSpec(router_id=uuid4(), life=0, nets=(net,))
    async with ssh_host(hosts.first) as server, driver(hosts, tmp_path / "state") as kvm:
        session = cast(LibvirtSession, await kvm.connect(by_password(server)))
        await session.run_router(spec, key=uuid4())
        (status,) = await session.list_routers()
        assert (status.router_id, status.digest, status.trouble) == (
            spec.router_id,
            spec.digest,
            "",
        )
        shell = session._line.shell
        assert isinstance(shell, SshShell)
        change = LeaseChange(now="m1", come=(lease,))
        assert await session.tell_leases(spec.router_id, change, key=uuid4()) == {}
        asked = await shell.run("sh", "-c", CARD, "sh", lease.mac)
        assert "10.9.0.9" in asked.stdout + asked.stderr, asked
        await session.remove_router(spec.router_id, key=uuid4())
        assert await session.list_routers() == []
        left = await shell.run("sh", "-c", "ls /tmp /run/netns; ip -o link")
        own = ("sagastack-router-", f"saga-{spec.router_id.hex[:12]}", net.network_id.hex[:12])
        assert not [one for one in own if one in left.stdout], left.stdout
        await shell.run("ip", "link", "del", "br0-7")


async def test_a_script_outlives_the_line_that_began_it(
    hosts: peer.LibvirtPair, tmp_path: Path
) -> None:
    """Who comes back is told how it ended, and runs nothing again."""
    folder, key = tmp_path / "hooks", uuid4()
    bench.write_hook(folder, HookStage.MAINTENANCE, 3)
    script = folder / "Maintenance.sh"
    script.write_text(script.read_text().replace("sleep 0.2", f"sleep 1; touch {tmp_path}/over"))
    hook = Hook(stage=HookStage.MAINTENANCE, folder=str(folder), timeout_s=30, arguments=("a b",))
    async with ssh_host(hosts.first) as server, driver(hosts, tmp_path / "state") as kvm:
        asking = asyncio.create_task((await kvm.connect(by_key(server))).run_hook(hook, key=key))
        for _ in range(1000):
            if (folder / "Maintenance.ran").exists():
                break
            await asyncio.sleep(0.02)
        asking.cancel()
        await asyncio.wait([asking])
        assert not (tmp_path / "over").exists()
        await kvm.close()
        session = await kvm.connect(by_key(server))
        told = await session.run_hook(hook, key=key)
        assert (told.end, told.said) == (HookEnd.FAILED, "it ran: a b")
        assert (folder / "Maintenance.ran").read_text() == "x"


async def test_snapshots_and_images_come_and_go_by_ssh(
    hosts: peer.LibvirtPair, tmp_path: Path
) -> None:
    """A running guest is kept, the copy fetched to the controller, and a disk made of it."""
    pool = PoolSpec(pool_id=uuid4(), url=f"file://{tmp_path}/pool")
    async with ssh_host(hosts.first) as server, driver(hosts, tmp_path / "state") as kvm:
        session, key = await kvm.connect(by_password(server)), uuid4()
        root, guest = await run_guest(session, pool)
        kept = await session.snapshot_disk(pool, root.volume_id, uuid4(), key=key)
        assert kept.snapshot_id is not None
        place = DiskPlace(pool=pool, disk_id=kept.snapshot_id, is_snapshot=True)
        path = tmp_path / "fetched.qcow2"
        facts = await session.export_disk(place, str(path), key=key)
        assert (facts.virtual_bytes, facts.file_bytes) == (bench.IMAGE_BYTES, path.stat().st_size)
        await bench.tool("qemu-img", "compare", "-U", str(path), kept.path)
        image = ImageSource(
            image_id=uuid4(), path=str(path), image_format="qcow2", virtual_bytes=bench.IMAGE_BYTES
        )
        spec = DiskSpec(volume_id=uuid4(), size_bytes=bench.IMAGE_BYTES, image=image)
        made = await session.import_disk(pool, spec, key=key)
        await bench.tool("qemu-img", "compare", str(path), made.path)
        await session.remove_guest(guest.guest_id, key=key)
        assert not list((tmp_path / "pool" / ".incoming").iterdir())


async def test_a_lost_line_heals(hosts: peer.LibvirtPair, tmp_path: Path) -> None:
    async with ssh_host(hosts.first) as server, driver(hosts, tmp_path / "state") as kvm:
        session = await kvm.connect(by_password(server))
        assert await session.list_guests() == []
        server.cut()
        async with asyncio.timeout(30):
            while True:
                try:
                    assert await session.find_guest(uuid4()) is None
                    break
                except (Unavailable, Unknown):
                    await asyncio.sleep(0.05)
        assert (await session.host_stats()).uptime_s > 0


async def test_wrong_credentials_are_refused(hosts: peer.LibvirtPair, tmp_path: Path) -> None:
    async with ssh_host(hosts.first) as server, driver(hosts, tmp_path / "state") as kvm:
        with pytest.raises(Refused, match="neither this password"):
            await kvm.connect(by_password(server, "wrong"))
        with pytest.raises(Refused, match="private key cannot be read"):
            await kvm.connect(HostAddress(url=by_key(server).url, private_key="no key"))


async def test_another_host_key_is_refused(hosts: peer.LibvirtPair, tmp_path: Path) -> None:
    """Trusted at first sight, remembered over restarts, and held to it."""
    state = tmp_path / "state"
    async with ssh_host(hosts.first) as server:
        async with driver(hosts, state) as kvm:
            await kvm.connect(by_password(server))
        state.write_text(state.read_text().replace("AAAA", "BBBB"))
        async with driver(hosts, state) as kvm:
            with pytest.raises(Refused, match="another host key"):
                await kvm.connect(by_password(server))


async def test_nobody_there_is_unavailable(hosts: peer.LibvirtPair, tmp_path: Path) -> None:
    async with driver(hosts, tmp_path / "state") as kvm:
        with pytest.raises(Unavailable):
            await kvm.connect(HostAddress(url="http://127.0.0.1:9", password="x"))


async def test_migration_between_hosts_that_have_no_way_to_each_other(
    hosts: peer.LibvirtPair, tmp_path: Path
) -> None:
    """We carry the handshake; a guest whose disk is not known as shared stays where it is."""
    shared = PoolSpec(pool_id=uuid4(), url=f"SharedMountPoint://{tmp_path}")
    async with (
        ssh_host(hosts.first) as one,
        ssh_host(hosts.second) as two,
        driver(hosts, tmp_path / "state") as kvm,
    ):
        source, target = await kvm.connect(by_password(one)), await kvm.connect(by_key(two))
        root, guest = await run_guest(source, PoolSpec(pool_id=uuid4(), url=f"file://{tmp_path}"))
        try:
            with pytest.raises(Refused, match=r"(?i)unsafe"):
                await source.migrate_guest(guest.guest_id, by_password(two), key=uuid4())
            assert await source.find_guest(guest.guest_id) is not None
            await source.open_pool(shared)
            await source.migrate_guest(guest.guest_id, by_password(two), key=uuid4())
            assert await source.find_guest(guest.guest_id) is None
            moved = await target.find_guest(guest.guest_id)
            assert moved is not None
            assert moved.power is Power.RUNNING
        finally:
            for session in (source, target):
                await session.remove_guest(guest.guest_id, key=uuid4())
        await target.remove_disk(shared, root.volume_id, key=uuid4())


async def test_a_closed_session_says_so(hosts: peer.LibvirtPair, tmp_path: Path) -> None:
    async with ssh_host(hosts.first) as server, driver(hosts, tmp_path / "state") as kvm:
        session = await kvm.connect(by_password(server))
        await session.close()
        with pytest.raises(DriverError, match="closed"):
            await session.list_guests()
