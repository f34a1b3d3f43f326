"""Hosts of Oracle VM that are not as they should be: wrong words, lost answers, other managers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from drivers.contract.compute import DiskAttachment, DiskLimits, GuestSpec, HostAddress, Power
from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.contract.storage import DiskPlace, DiskSpec, DiskStatus, PoolSpec
from drivers.oraclevm import client
from drivers.oraclevm.address import chosen_pins, read
from drivers.oraclevm.driver import make_all
from drivers.oraclevm.repo import repo_id
from drivers.oraclevm.session import OracleSession
from tests.drivers.ovm import EXPORTS, MIB, OracleHarness, serve
from tests.peers.oraclevm.agent2 import Agent2
from tests.peers.oraclevm.agent3 import Agent3

KINDS = ("Ovm", "Ovm3")


@pytest.fixture
async def three() -> AsyncIterator[OracleHarness]:
    async with serve("Ovm3") as ready:
        yield ready


@pytest.fixture
async def two() -> AsyncIterator[OracleHarness]:
    async with serve("Ovm") as ready:
        yield ready


class Bench:
    """A session with a disk, and what clears both away."""

    def __init__(self, harness: OracleHarness, session: OracleSession) -> None:
        self.harness, self.session, self.pool = harness, session, harness.pool()
        self.volumes: list[UUID] = []

    @classmethod
    async def open(cls, harness: OracleHarness) -> Bench:
        session = await harness.connect()
        assert isinstance(session, OracleSession)
        await session.open_pool(harness.pool())
        return cls(harness, session)

    async def disk(self, size_bytes: int = MIB) -> DiskStatus:
        self.volumes.append(uuid4())
        spec = DiskSpec(volume_id=self.volumes[-1], size_bytes=size_bytes)
        return await self.session.create_disk(self.pool, spec, key=uuid4())

    async def spec(self) -> GuestSpec:
        disk = await self.disk()
        assert disk.volume_id is not None
        part = DiskAttachment(
            volume_id=disk.volume_id, path=disk.path, device=0, image_format="raw"
        )
        return self.harness.guest(disks=[part])

    async def clear(self, *guests: GuestSpec) -> None:
        for one in guests:
            await self.session.remove_guest(one.guest_id, key=uuid4())
        for volume in self.volumes:
            await self.session.remove_disk(self.pool, volume, key=uuid4())


@pytest.mark.parametrize("kind", KINDS)
async def test_wrong_words_are_refused(kind: str) -> None:
    async with serve(kind) as ready:
        wrong = replace(ready.address(), password="guessed")
        with pytest.raises(Refused, match="name and password"):
            await ready.driver.connect(wrong)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_certificate_is_trusted_by_its_pin_alone(kind: str) -> None:
    async with serve(kind) as ready:
        line = ready.site.agents[0].line
        bare = replace(ready.address(), url=ready.address().url.partition("?")[0])
        with pytest.raises(Refused, match=line.certificate.pin):
            await ready.driver.connect(bare)
        other = ready.site.agents[1].line.certificate.pin
        wrong = replace(bare, url=f"{bare.url}?pin={other}")
        with pytest.raises(Refused, match="another certificate"):
            await ready.driver.connect(wrong)


@pytest.mark.parametrize(
    "url",
    [
        "ovm3://",
        "https://host",
        "ovm3://host:port",
        "ovm3://oracle:secret@host",
        "ovm3://host/path",
        "ovm3://host?colour=blue",
        "ovm3://host?pin=sha256:12",
    ],
)
def test_wrong_urls_are_refused(url: str) -> None:
    with pytest.raises(Refused):
        read(url, "ovm3")


def test_a_url_is_written_as_it_was_read() -> None:
    pin = f"sha256:{'a' * 64}"
    pins = chosen_pins(f"10.0.0.2@{pin[:-1]}b 10.0.0.1@{pin[:-1]}c")
    place = read(f"ovm3://10.0.0.1?bridge=br7&pin={pin}", "ovm3", pins)
    assert (place.trust.pin, place.url) == (pin, "https://10.0.0.1:8899/RPC2")
    assert read("ovm3://10.0.0.1", "ovm3", pins).trust.pin == f"{pin[:-1]}c"
    assert place.member("10.0.0.2") == "ovm3://10.0.0.2?bridge=br7"
    assert place.beside("10.0.0.2").trust.pin == f"{pin[:-1]}b"
    with pytest.raises(Refused, match=r"10\.0\.0\.3"):
        chosen_pins("10.0.0.3@sha256:12")


async def test_a_slow_agent_is_unavailable_and_a_lost_start_unknown(
    three: OracleHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = await Bench.open(three)
    spec, key, agent = await bench.spec(), uuid4(), three.site.agents[0]
    monkeypatch.setattr(client, "ASK_S", 0.2)
    agent.line.slow["list_vms"] = 0.6
    with pytest.raises(Unavailable, match="no answer"):
        await bench.session.list_guests()
    agent.line.slow.clear()
    monkeypatch.undo()
    agent.line.lost.append("start_vm")
    with pytest.raises(Unknown, match="all the same"):
        await bench.session.start_guest(spec, key=key)
    told = await bench.session.start_guest(spec, key=key)
    assert (told.power, told.key) == (Power.RUNNING, key)
    assert agent.line.calls.count("start_vm") == 1
    await bench.clear(spec)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_abandoned_start_goes_on_and_is_found(kind: str) -> None:
    """The agent knows nothing of its client: what was cancelled happens all the same."""
    async with serve(kind) as ready:
        bench = await Bench.open(ready)
        spec, key = await bench.spec(), uuid4()
        verb = "start_vm" if kind == "Ovm3" else "OvmVm.create"
        ready.site.agents[0].line.slow[verb] = 0.3
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await bench.session.start_guest(spec, key=key)
        told = await bench.session.start_guest(spec, key=key)
        assert told.power is Power.RUNNING
        assert len(ready.site.world.machines[ready.site.agents[0].machine.ip].domains) == 1
        await bench.clear(spec)


async def test_a_snapshot_that_was_lost_leaves_nobody_paused(three: OracleHarness) -> None:
    bench, agent = await Bench.open(three), three.site.agents[0]
    spec = await bench.spec()
    await bench.session.start_guest(spec, key=uuid4())
    ask = (bench.pool, spec.disks[0].volume_id, uuid4())
    agent.line.lost.append("copy_file")
    with pytest.raises(Unknown):
        await bench.session.snapshot_disk(*ask, key=uuid4())
    states = [one.state for one in agent.machine.domains.values()]
    assert states == ["-b----"]
    kept = await bench.session.snapshot_disk(*ask, key=uuid4())
    assert three.site.file(kept.path).read_bytes() == bytes(MIB)
    calls = agent.line.calls
    assert calls.index("pause_vm") < calls.index("copy_file") < calls.index("unpause_vm")
    await bench.session.remove_snapshot(bench.pool, ask[2], key=uuid4())
    await bench.clear(spec)


async def test_who_undoes_a_snapshot_wakes_its_guest(three: OracleHarness) -> None:
    """A controller that died while a guest was paused has left a file that says so."""
    bench, agent = await Bench.open(three), three.site.agents[0]
    spec, snapshot_id = await bench.spec(), uuid4()
    await bench.session.start_guest(spec, key=uuid4())
    volume_id = spec.disks[0].volume_id
    folder = three.site.world.exports[EXPORTS[0]] / ".sagastack/incoming"
    (folder / f"{snapshot_id}.live-{volume_id}.{uuid4().hex}").touch()
    domain = next(iter(agent.machine.domains.values()))
    domain.state = "--p---"
    await bench.session.remove_snapshot(bench.pool, snapshot_id, key=uuid4())
    assert domain.state == "-b----" and list(folder.iterdir()) == []
    await bench.clear(spec)


async def test_another_managers_host_is_left_alone(three: OracleHarness) -> None:
    agent = three.site.agents[0]
    assert isinstance(agent, Agent3)
    agent.manager = "d" * 32
    session = await three.connect()
    with pytest.raises(Refused, match=f"manager={'d' * 32}"):
        await session.open_pool(three.pool())
    assert agent.manager == "d" * 32 and not agent.repositories
    settings = {"mounts": three.site.mounts, "manager": "d" * 32}
    driver = next(one for one in make_all(settings) if one.kind == "Ovm3")
    await (await driver.connect(three.address())).open_pool(three.pool())
    assert repo_id(EXPORTS[0]).hex in agent.repositories
    await driver.close()


async def test_hosts_make_and_join_their_server_pool(three: OracleHarness) -> None:
    site, pool_id = three.site, "a" * 32
    vip = site.agents[0].machine.ip
    pins = " ".join(f"{one.machine.ip}@{one.line.certificate.pin}" for one in site.agents)
    driver = make_all({"mounts": site.mounts, "pins": pins})[1]
    for number in (0, 1):
        address = site.address(number, vip=vip, pool=pool_id)
        session = await driver.connect(address)
        await session.open_pool(three.pool())
        await session.open_pool(three.second_pool())
    ips = [one.machine.ip for one in site.agents]
    for one in site.agents:
        assert isinstance(one, Agent3) and one.pool is not None
        assert (one.pool["id"], one.pool["members"]) == (pool_id, ips)
        assert one.roles == "xen,utility"
    found = await driver.discover(site.address(1))
    assert [read(one.url, "ovm3").host for one in found] == [ips[1], ips[0]]
    alone = await driver.discover(site.address(1, alone="1"))
    assert len(alone) == 1
    other = await driver.connect(site.address(0, vip=vip, pool="b" * 32))
    with pytest.raises(Refused, match=pool_id):
        await other.open_pool(three.pool())
    await driver.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_clearing_the_source_leaves_the_moved_guest_its_definition(kind: str) -> None:
    async with serve(kind) as ready:
        bench = await Bench.open(ready)
        spec = replace(await bench.spec(), nics=(ready.nic(),), config=(("a/b", b"told"),))
        await bench.session.start_guest(spec, key=uuid4())
        there = ready.second_address()
        assert there is not None
        await bench.session.migrate_guest(spec.guest_id, there, key=uuid4())
        await bench.session.remove_guest(spec.guest_id, key=uuid4())
        target = await ready.driver.connect(there)
        await target.reboot_guest(spec.guest_id, force=True, key=uuid4())
        found = await target.find_guest(spec.guest_id)
        assert found is not None and found.power is Power.RUNNING
        config = ready.site.world.exports[EXPORTS[0]] / f".sagastack/config/{spec.guest_id}.iso"
        assert b"told" in config.read_bytes()
        bridge = "xenbr0.160" if kind == "Ovm3" else "vlan160"
        assert ready.site.agents[1].machine.bridges[bridge] == "bond0.160"
        await target.remove_guest(spec.guest_id, key=uuid4())
        assert not config.exists()
        await bench.clear()


async def test_what_a_2x_agent_cannot_copy_the_controller_does(two: OracleHarness) -> None:
    """Byte for byte, of disks that no guest uses; of others the reason is told."""
    bench = await Bench.open(two)
    spec, session, pool = await bench.spec(), bench.session, bench.pool
    volume_id, snapshot_id, copy_id = spec.disks[0].volume_id, uuid4(), uuid4()
    bench.volumes.append(copy_id)
    file = two.site.file(spec.disks[0].path)
    content = bytes(range(256)) * (MIB // 256)
    file.write_bytes(content)
    kept = await session.snapshot_disk(pool, volume_id, snapshot_id, key=uuid4())
    assert two.site.file(kept.path).read_bytes() == content
    file.write_bytes(bytes(MIB))
    await session.revert_disk(pool, volume_id, snapshot_id, key=uuid4())
    assert file.read_bytes() == content
    place = DiskPlace(pool=pool, disk_id=snapshot_id, is_snapshot=True)
    copy = DiskSpec(volume_id=copy_id, size_bytes=2 * MIB)
    made = await session.copy_disk(place, pool, copy, key=uuid4())
    assert two.site.file(made.path).read_bytes() == content + bytes(MIB)
    await session.start_guest(spec, key=uuid4())
    with pytest.raises(Refused, match="stop it first"):
        await session.snapshot_disk(pool, volume_id, uuid4(), key=uuid4())
    await session.remove_snapshot(pool, snapshot_id, key=uuid4())
    await bench.clear(spec)


async def test_a_2x_guest_has_one_drive(two: OracleHarness) -> None:
    bench, agent = await Bench.open(two), two.site.agents[0]
    assert isinstance(agent, Agent2)
    image = replace(two.image(), image_format="iso")
    path = await bench.session.keep_image(bench.pool, image, key=uuid4())
    disc = DiskAttachment(volume_id=uuid4(), path=path, device=3, read_only=True, is_cdrom=True)
    spec = await bench.spec()
    both = replace(spec, disks=(*spec.disks, disc), config=(("a", b"b"),))
    with pytest.raises(Refused, match="one drive"):
        await bench.session.start_guest(both, key=uuid4())
    await bench.session.start_guest(spec, key=uuid4())
    await bench.session.attach_disk(spec.guest_id, disc, key=uuid4())
    assert list(agent.drives.values()) == [path.replace("//", "/")]
    await bench.session.detach_disk(spec.guest_id, disc.volume_id, key=uuid4())
    assert agent.drives == {}
    await bench.clear(spec)
    assert await bench.session.drop_image(bench.pool, image.image_id, key=uuid4())


async def test_pools_that_cannot_be(three: OracleHarness) -> None:
    session = await three.connect()
    for url, words in (
        ("iscsi://store/lun", "nfs://server/export"),
        ("nfs://store.test/nobody-mounted-it", "mount it here"),
    ):
        with pytest.raises(Refused, match=words):
            await session.open_pool(PoolSpec(pool_id=uuid4(), url=url))


async def test_what_has_limits_is_refused_before_it_starts(three: OracleHarness) -> None:
    bench = await Bench.open(three)
    spec = await bench.spec()
    limited = replace(spec.disks[0], limits=DiskLimits(total_iops=5))
    with pytest.raises(Refused, match="no limit"):
        await bench.session.start_guest(replace(spec, disks=(limited,)), key=uuid4())
    with pytest.raises(Refused, match="BIOS"):
        await bench.session.start_guest(replace(spec, boot="uefi"), key=uuid4())
    await bench.clear(spec)


async def test_a_full_host_may_have_room_later(three: OracleHarness) -> None:
    """More than is free now is Unavailable; more than there is, Refused."""
    bench, machine = await Bench.open(three), three.site.agents[0].machine
    spec = replace(await bench.spec(), memory_mib=machine.memory_mib - 100)
    with pytest.raises(Unavailable, match="dom0_min_mem"):
        await bench.session.start_guest(spec, key=uuid4())
    assert await bench.session.list_guests() == []
    await bench.clear(spec)


async def test_a_screen_has_its_port_and_password(three: OracleHarness) -> None:
    bench = await Bench.open(three)
    spec = await bench.spec()
    await bench.session.start_guest(spec, key=uuid4())
    screen = await bench.session.console(spec.guest_id)
    assert screen.vnc_host == three.site.agents[0].machine.ip and screen.vnc_port > 5900
    assert len(screen.vnc_password) == 8 and screen.vnc_password not in repr(screen)
    await bench.clear(spec)


async def test_many_guests_are_counted_in_one_call(three: OracleHarness) -> None:
    bench, agent = await Bench.open(three), three.site.agents[0]
    specs = [replace(await bench.spec(), memory_mib=16) for _ in range(12)]
    for one in specs:
        await bench.session.start_guest(one, key=uuid4())
    await bench.session.list_guests()
    agent.line.calls.clear()
    told = await bench.session.guest_stats()
    assert {one.guest_id for one in told} == {one.guest_id for one in specs}
    assert agent.line.calls == ["list_vms"]
    await bench.clear(*specs)


def test_an_address_of_another_kind_is_told() -> None:
    with pytest.raises(Refused, match="ovm3://"):
        read(HostAddress(url="ovm://10.0.0.1").url, "ovm3")
