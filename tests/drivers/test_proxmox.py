"""Where Proxmox VE makes it hard: crashes, locks, clones, other controllers, bad addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from drivers.conformance.checks import attachment
from drivers.contract.compute import DiskLimits, HostAddress, Power
from drivers.contract.driver import Driver, HostSession
from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.contract.storage import DiskSpec, DiskStatus
from drivers.extension.driver import ExternalSession, make_all
from tests.drivers.harness_proxmox import ProxmoxHarness, address_of, harness, missing, pool
from tests.guest.tiny import absent
from tests.peers.proxmox import TOKEN
from tests.peers.proxmox.console import GREETING
from tests.peers.proxmox.world import AUDITOR

MIB = 2**20


@pytest.fixture(autouse=True)
def able() -> None:
    if lacking := missing():
        absent(lacking)


@asynccontextmanager
async def here() -> AsyncIterator[tuple[ProxmoxHarness, HostSession]]:
    async with harness() as ready:
        assert isinstance(ready, ProxmoxHarness)
        yield ready, await ready.connect()


def blank(size_bytes: int = 16 * MIB) -> DiskSpec:
    return DiskSpec(volume_id=uuid4(), size_bytes=size_bytes)


async def gone(ready: ProxmoxHarness, session: HostSession, disk: DiskStatus) -> None:
    assert disk.volume_id is not None
    await session.remove_disk(ready.pool(), disk.volume_id, key=uuid4())


def begun(ready: ProxmoxHarness, kind: str) -> int:
    return sum(one.type == kind for one in ready.world.tasks)


@asynccontextmanager
async def another_controller(folder: Path) -> AsyncIterator[Driver]:
    driver = make_all({"state": "", "folder": str(folder / "extension")})[0]
    try:
        yield driver
    finally:
        await driver.close()


async def test_a_task_that_was_begun_is_found_again() -> None:
    """The program dies while Proxmox VE makes a disk: the next one waits for that very task."""
    async with here() as (ready, session):
        ready.world.slow_s = 0.6
        spec, one = blank(), ready.pool()
        asked = session.create_disk(one, spec, key=uuid4())
        outcome, _ = await asyncio.gather(asked, _dies(ready, session), return_exceptions=True)
        assert isinstance(outcome, Unknown)
        made = await session.create_disk(one, spec, key=uuid4())
        assert (made.volume_id, made.size_bytes) == (spec.volume_id, 16 * MIB)
        assert begun(ready, "qmcreate") == 1
        await session.remove_disk(one, spec.volume_id, key=uuid4())


async def _dies(ready: ProxmoxHarness, session: HostSession) -> None:
    """Once Proxmox VE is at work."""
    while not begun(ready, "qmcreate"):  # noqa: ASYNC110 (a task's beginning is no event)
        await asyncio.sleep(0.01)
    assert isinstance(session, ExternalSession)
    session.drop()


async def test_what_was_half_made_is_undone() -> None:
    """A disk whose carrier was left without its tags is removed by the undo all the same."""
    async with here() as (ready, session):
        spec, one = blank(), ready.pool()
        await session.create_disk(one, spec, key=uuid4())
        vm = next(iter(ready.world.vms.values()))
        del vm.config["tags"]
        assert await session.find_disk(one, spec.volume_id) is None
        await session.remove_disk(one, spec.volume_id, key=uuid4())
        assert ready.world.vms == {}


async def test_two_controllers_make_one_disk() -> None:
    """Each has a program of its own; the number of the VM settles who makes it."""
    async with here() as (ready, session), another_controller(ready._folder) as other:
        second, spec, one = await other.connect(ready.address()), blank(), ready.pool()
        ready.world.slow_s = 0.2
        asked = [one_of.create_disk(one, spec, key=uuid4()) for one_of in (session, second)]
        done = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(one_of, Unavailable) or not isinstance(one_of, Exception)
                   for one_of in done), done  # fmt: skip
        assert (await second.create_disk(one, spec, key=uuid4())).volume_id == spec.volume_id
        assert begun(ready, "qmcreate") == 1
        await session.remove_disk(one, spec.volume_id, key=uuid4())


async def test_a_persons_clone_is_nobody_of_ours() -> None:
    """Proxmox VE copies the tags of a guest into its clones; they count on the guest alone."""
    async with here() as (ready, session):
        disk = await session.create_disk(ready.pool(), blank(), key=uuid4())
        spec = ready.guest(disks=[attachment(disk, 0)])
        await session.start_guest(spec, key=uuid4())
        vm = next(one for one in ready.world.vms.values() if one.running)
        ready.world.vms[777] = replace(vm, vmid=777, config=vm.config | {"name": "stranger-copy"})
        listed = await session.list_guests()
        assert {(one.guest_id, one.name) for one in listed if one.name == "stranger-copy"} == {
            (None, "stranger-copy")
        }
        await session.remove_guest(spec.guest_id, key=uuid4())
        assert 777 in ready.world.vms, "the clone was removed with the guest"
        await gone(ready, session, disk)


async def test_what_a_guest_has_is_as_it_was_asked_for() -> None:
    """Cards on their bridge with their VLAN, limits of disks, and a config disc that goes too."""
    async with here() as (ready, session):
        disk = await session.create_disk(ready.pool(), blank(), key=uuid4())
        limits = DiskLimits(total_iops=500, read_bytes=3 * MIB)
        held = replace(attachment(disk, 0), limits=limits)
        spec = replace(
            ready.guest(disks=[held], nics=[ready.nic()]),
            name="Größe & Co",
            config=(("openstack/latest/user_data", b"#cloud-config\n"),),
        )
        await session.start_guest(spec, key=uuid4())
        vm = next(one for one in ready.world.vms.values() if one.running)
        assert vm.config["net0"] == "virtio=02:00:00:00:00:01,bridge=vmbr1,tag=12"
        assert "iops=500" in vm.config["scsi0"] and "mbps_rd=3.000000" in vm.config["scsi0"]
        assert vm.config["name"] == "Gr-e-Co"
        disc = ready.world.volume(vm.config["ide0"].split(",")[0])
        assert b"config-2" in disc.file.read_bytes() and disc.format == "iso"
        told = await session.guest_stats()
        assert [one.guest_id for one in told] == [spec.guest_id]
        await session.remove_guest(spec.guest_id, key=uuid4())
        assert disc.volid not in ready.world.volumes
        await gone(ready, session, disk)


async def test_a_screen_is_opened_by_its_ticket() -> None:
    async with here() as (ready, session):
        disk = await session.create_disk(ready.pool(), blank(), key=uuid4())
        spec = ready.guest(disks=[attachment(disk, 0)])
        await session.start_guest(spec, key=uuid4())
        found = await session.console(spec.guest_id)
        assert (found.protocol, bool(found.token)) == ("vnc", True)
        headers = {"Authorization": f"PVEAPIToken={TOKEN[0]}={TOKEN[1]}"}
        pin = aiohttp.Fingerprint(bytes.fromhex(ready.world.pin.removeprefix("sha256:")))
        async with (
            aiohttp.ClientSession(headers=headers) as client,
            client.ws_connect(found.url, ssl=pin, protocols=("binary",)) as line,
        ):
            assert await line.receive_bytes(timeout=60) == GREETING
        await session.remove_guest(spec.guest_id, key=uuid4())
        await gone(ready, session, disk)


async def test_guests_that_heed_nothing() -> None:
    """A deaf one has its power cut; one that holds on to a disk is told to be asked again."""
    async with here() as (ready, session):
        root, data = [await session.create_disk(ready.pool(), blank(), key=uuid4()) for _ in "ab"]
        spec = ready.guest(disks=[attachment(root, 0), attachment(data, 1)])
        await session.start_guest(spec, key=uuid4())
        assert data.volume_id is not None and root.volume_id is not None
        ready.world.stubborn = ready.world.deaf = True
        with pytest.raises(Unavailable, match="not let go"):
            await session.detach_disk(spec.guest_id, data.volume_id, key=uuid4())
        found = await session.find_guest(spec.guest_id)
        assert found is not None and data.path in found.disks
        ready.world.stubborn = False
        await session.detach_disk(spec.guest_id, data.volume_id, key=uuid4())
        found = await session.find_guest(spec.guest_id)
        assert found is not None and found.disks == (root.path,)
        await session.stop_guest(spec.guest_id, grace_s=1, key=uuid4())
        found = await session.find_guest(spec.guest_id)
        assert found is not None and found.power is Power.OFF
        await session.remove_guest(spec.guest_id, key=uuid4())
        for disk in (root, data):
            await gone(ready, session, disk)


async def test_a_disk_is_reached_from_any_node() -> None:
    """Its carrier is on one node, and another makes copies of it and guests from it."""
    async with here() as (ready, session):
        second = await ready.driver.connect(address_of(ready.world, "pve2"))
        disk = await session.create_disk(ready.pool(), blank(), key=uuid4())
        assert disk.volume_id is not None
        snapshot = uuid4()
        kept = await second.snapshot_disk(ready.pool(), disk.volume_id, snapshot, key=uuid4())
        assert kept.size_bytes == disk.size_bytes
        spec = ready.guest(disks=[attachment(disk, 0)])
        await second.start_guest(spec, key=uuid4())
        with pytest.raises(Refused, match="runs on pve2"):
            await session.start_guest(spec, key=uuid4())
        await second.remove_guest(spec.guest_id, key=uuid4())
        await second.remove_snapshot(ready.pool(), snapshot, key=uuid4())
        await second.remove_disk(ready.pool(), disk.volume_id, key=uuid4())


async def test_a_lock_that_nobody_holds_is_for_a_person() -> None:
    async with here() as (ready, session):
        spec, one = blank(), ready.pool()
        await session.create_disk(one, spec, key=uuid4())
        vm = next(iter(ready.world.vms.values()))
        vm.config["lock"] = "backup"
        with pytest.raises(Unavailable, match=r"locked \(backup\)"):
            await session.remove_disk(one, spec.volume_id, key=uuid4())
        del vm.config["lock"]
        await session.remove_disk(one, spec.volume_id, key=uuid4())


async def test_an_image_that_was_cut_short_is_brought_again() -> None:
    async with here() as (ready, session):
        path = await session.keep_image(ready.pool(), ready.image(), key=uuid4())
        there = ready.world.volume(path).file
        whole = there.stat().st_size
        with there.open("r+b") as file:
            file.truncate(whole // 2)
        assert await session.keep_image(ready.pool(), ready.image(), key=uuid4()) == path
        assert ready.world.volume(path).size == whole


@pytest.mark.parametrize(
    ("url", "user", "secret", "words"),
    [
        ("https://127.0.0.1:{port}/pve1", *TOKEN, r"\?pin=sha256:"),
        ("https://127.0.0.1:{port}/pve1?pin=sha256:" + "0" * 64, *TOKEN, "another certificate"),
        ("https://127.0.0.1:{port}/pve1?pin={pin}", TOKEN[0], "x", "invalid token value"),
        ("https://127.0.0.1:{port}/pve1?pin={pin}", "cloud@pve!x", "x", "no such token"),
        ("https://127.0.0.1:{port}/pve1?pin={pin}", "root", "x", "API token"),
        ("https://127.0.0.1:{port}/pve9?pin={pin}", *TOKEN, "hostname lookup"),
        ("ftp://127.0.0.1/pve1", *TOKEN, "say https://HOST:8006/NODE"),
    ],
)
async def test_addresses_that_are_refused(url: str, user: str, secret: str, words: str) -> None:
    async with here() as (ready, _):
        where = url.format(port=ready.world.port, pin=ready.world.pin)
        with pytest.raises(Refused, match=words):
            await ready.driver.connect(HostAddress(url=where, username=user, password=secret))


async def test_a_cluster_stands_for_its_nodes_that_are_up() -> None:
    async with here() as (ready, session):
        found = await ready.driver.discover(address_of(ready.world))
        assert [one.url.split("?")[0].rsplit("/", 1)[1] for one in found] == ["pve1", "pve2"]
        ready.world.nodes["pve2"] = False
        assert len(await ready.driver.discover(address_of(ready.world))) == 1
        with pytest.raises(Unavailable, match="595"):
            await ready.driver.connect(address_of(ready.world, "pve2"))
        assert (await session.inspect()).hardware_id == "there/pve1"


async def test_what_a_token_or_a_storage_does_not_allow() -> None:
    """Who may only look is told so; a storage that holds no images says what it holds."""
    async with here() as (ready, session):
        for name, words in (("backups", "holds backup"), ("nowhere", "does not exist")):
            with pytest.raises(Refused, match=words):
                await session.open_pool(pool(name))
        ready.world.storages["two"].active = False
        with pytest.raises(Unavailable, match="not active"):
            await session.open_pool(pool("two"))
        auditor = replace(ready.address(), username=AUDITOR[0], password=AUDITOR[1])
        looking = await ready.driver.connect(auditor)
        with pytest.raises(Refused, match="403 Permission check failed"):
            await looking.create_disk(ready.pool(), blank(), key=uuid4())


async def test_a_storage_of_blocks() -> None:
    """LVM has raw disks and no files: images go elsewhere, and a running guest is not kept."""
    async with here() as (ready, session):
        blocks = pool("blocks")
        await session.open_pool(blocks)
        spec = replace(blank(), image=ready.image())
        disk = await session.create_disk(blocks, spec, key=uuid4())
        assert (disk.image_format, disk.size_bytes) == ("raw", 16 * MIB)
        guest = ready.guest(disks=[attachment(disk, 0)])
        await session.start_guest(guest, key=uuid4())
        with pytest.raises(Refused, match="snapshot feature is not available"):
            await session.snapshot_disk(blocks, spec.volume_id, uuid4(), key=uuid4())
        with pytest.raises(Refused, match="local disk"):
            await session.migrate_guest(
                guest.guest_id, address_of(ready.world, "pve2"), key=uuid4()
            )
        await session.remove_guest(guest.guest_id, key=uuid4())
        await session.remove_disk(blocks, spec.volume_id, key=uuid4())
        await session.drop_image(blocks, ready.image().image_id, key=uuid4())
