"""Hyper-V hosts that refuse, break off, are slow or clustered: what the driver makes of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

import pytest

from drivers.contract.compute import DiskAttachment, DiskMove, GuestSpec, HostAddress, NicSpec
from drivers.contract.driver import Driver, HostSession
from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.contract.storage import DiskSpec, DiskStatus, ImageSource, PoolSpec
from drivers.hyperv.driver import make
from tests.drivers.harness_hyperv import IMAGE_BYTES, guest_spec
from tests.peers.hyperv import HypervPeer
from tests.peers.hyperv.commands import Command, Interpreter
from tests.peers.hyperv.peer import PASSWORD, USER, missing
from tests.peers.hyperv.values import Failure
from tests.peers.hyperv.world import GIB, MIB, Host, Vm, tool

pytestmark = pytest.mark.skipif(
    bool(missing()) and os.environ.get("SAGASTACK_REQUIRE_PEERS") != "1", reason=missing()
)

T = TypeVar("T")

POOL = PoolSpec(pool_id=UUID(int=1), url="smb://store/pool")
SECOND = PoolSpec(pool_id=UUID(int=2), url="smb://store/second")
LOCAL = PoolSpec(pool_id=UUID(int=3), url="file:///C:/pool")
BYTE = 7


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HypervPeer]:
    yield from _peer(tmp_path_factory.mktemp("hyperv"), 1, tls=True)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HypervPeer]:
    """Over HTTP, where NTLM seals every message."""
    yield from _peer(tmp_path_factory.mktemp("hyperv-http"), 3, tls=False)


def _peer(folder: Path, last: int, *, tls: bool) -> Iterator[HypervPeer]:
    net = f"127.8.{os.getpid() % 250 + 1}"
    made = HypervPeer(folder, (f"{net}.{last}", f"{net}.{last + 1}"), tls=tls)
    for share in ("pool", "second"):
        made.world.share(share)
    options = ("-o", "subformat=dynamic,block_size=1M")
    path = str(folder / "tiny.vhdx")
    tool("qemu-img", "create", "-q", "-f", "vhdx", *options, path, str(IMAGE_BYTES))
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def driver() -> AsyncIterator[Driver]:
    made = make({"connect_s": 5, "verb_s": 20, "image_s": 20, "move_s": 20})
    yield made
    await made.close()


@pytest.fixture
async def session(peer: HypervPeer, driver: Driver) -> AsyncIterator[HostSession]:
    """The first host with both pools; whatever a test left and did is undone after it."""
    session = await driver.connect(first(peer))
    for pool in (POOL, SECOND):
        await session.open_pool(pool)
    yield session
    peer.world.cluster = ""
    for host in peer.world.hosts.values():
        host.vms.clear()
        host.slow.clear()
        host.breaks.clear()
        host.log.clear()


def hosts(peer: HypervPeer) -> list[Host]:
    return list(peer.world.hosts.values())


def first(peer: HypervPeer, **changed: str) -> HostAddress:
    address = HostAddress(url=peer.url(hosts(peer)[0].name), username=USER, password=PASSWORD)
    return replace(address, **changed)


def second(peer: HypervPeer) -> HostAddress:
    return HostAddress(url=peer.url(hosts(peer)[1].name), username=USER, password=PASSWORD)


def image(peer: HypervPeer) -> ImageSource:
    path = str(peer.world.folder / "tiny.vhdx")
    return ImageSource(
        image_id=UUID(int=5), path=path, image_format="vhdx", virtual_bytes=IMAGE_BYTES
    )


async def disk_of(
    session: HostSession, peer: HypervPeer, pool: PoolSpec = POOL, *, blank: bool = False
) -> DiskStatus:
    spec = DiskSpec(volume_id=uuid4(), size_bytes=IMAGE_BYTES, image=None if blank else image(peer))
    return await session.create_disk(pool, spec, key=uuid4())


def on(*disks: DiskStatus, nics: tuple[NicSpec, ...] = (), boot: str = "uefi") -> GuestSpec:
    attached = []
    for device, disk in enumerate(disks):
        assert disk.volume_id is not None
        attached.append(
            DiskAttachment(
                volume_id=disk.volume_id, path=disk.path, device=device, image_format="vhdx"
            )
        )
    return guest_spec(disks=attached, nics=nics, boot=boot)


def machine(peer: HypervPeer, spec: GuestSpec) -> Vm:
    found = peer.vm_of(spec.guest_id)
    assert found is not None
    return found


async def test_a_wrong_password_is_refused(
    peer: HypervPeer, sealed: HypervPeer, driver: Driver
) -> None:
    for one in (peer, sealed):
        with pytest.raises(Refused, match="check the name and the password"):
            await driver.connect(first(one, password="guess"))


async def test_a_certificate_that_nobody_signed_is_refused_with_its_pin(
    peer: HypervPeer, driver: Driver
) -> None:
    plain = first(peer).url.partition("?")[0]
    with pytest.raises(Refused, match=f"pin=sha256:{peer.fingerprint}"):
        await driver.connect(first(peer, url=plain))


async def test_another_certificate_than_the_pinned_one_is_refused(
    peer: HypervPeer, driver: Driver
) -> None:
    wrong = first(peer).url.replace(peer.fingerprint, "00" * 32)
    with pytest.raises(Refused, match="another certificate"):
        await driver.connect(first(peer, url=wrong))


async def test_over_http_every_message_is_sealed(sealed: HypervPeer, driver: Driver) -> None:
    """The service takes no message that is not; a whole guest's life goes through all the same."""
    session = await driver.connect(first(sealed))
    await session.open_pool(POOL)
    spec = on(await disk_of(session, sealed))
    await session.start_guest(spec, key=uuid4())
    assert [one.guest_id for one in await session.list_guests()] == [spec.guest_id]
    sealed.cut()
    told = await once_more(lambda: session.find_guest(spec.guest_id))
    assert told is not None
    await session.remove_guest(spec.guest_id, key=uuid4())
    assert not list(sealed.world.vms())


async def test_basic_over_tls(peer: HypervPeer, driver: Driver) -> None:
    session = await driver.connect(first(peer, url=first(peer).url + "&auth=basic"))
    assert (await session.inspect()).cpu_count == hosts(peer)[0].cpus


async def test_no_more_shells_is_for_now(peer: HypervPeer, driver: Driver) -> None:
    service = peer.services[hosts(peer)[0].name]
    service.shells_max = 0
    try:
        with pytest.raises(Unavailable, match="shells"):
            await driver.connect(first(peer))
    finally:
        service.shells_max = 30


async def test_a_shell_that_opens_when_nobody_waits_is_closed(
    peer: HypervPeer, driver: Driver
) -> None:
    """A host has thirty for us, and keeps each for ten minutes."""
    name = next(iter(peer.services))
    service = peer.services[name]
    before = set(service.shells)
    service.slow_s = 0.2
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await driver.connect(HostAddress(url=peer.url(name), username=USER, password=PASSWORD))
    service.slow_s = 0.0
    heard = service.requests
    async with asyncio.timeout(20):
        while service.requests < heard + 2 or set(service.shells) - before:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_service_that_was_restarted_is_logged_into_again(
    peer: HypervPeer, session: HostSession
) -> None:
    """Its shells are gone: nothing was said on them, so even an order is simply said anew."""
    spec = on(await disk_of(session, peer))
    peer.services[hosts(peer)[0].name].forget_shells()
    told = await session.start_guest(spec, key=uuid4())
    assert told.guest_id == spec.guest_id


async def test_an_order_whose_answer_was_lost_is_unknown_and_done_once(
    peer: HypervPeer, session: HostSession
) -> None:
    spec = on(await disk_of(session, peer))
    await session.start_guest(spec, key=uuid4())
    host, nic = hosts(peer)[0], NicSpec(nic_id=uuid4(), mac="02:00:00:00:00:01")
    await session.list_guests()
    service = peer.services[host.name]

    async def dropped(verb: str) -> None:
        service.drops[verb] = 1
        with suppress(Unavailable, Unknown):
            await session.attach_nic(spec.guest_id, nic, key=uuid4())
        service.drops.clear()

    for verb in ("Command:before", "Command:after", "Receive:before", "Receive:after"):
        await dropped(verb)
    await once_more(lambda: session.attach_nic(spec.guest_id, nic, key=uuid4()))
    assert [card.name for card in machine(peer, spec).cards] == [str(nic.nic_id)]


async def test_a_start_that_takes_too_long_is_finished_by_the_same_key(
    peer: HypervPeer, session: HostSession
) -> None:
    """The line is given up and the host goes on; who asks again finds the guest that it started."""
    hasty = make({"connect_s": 5, "verb_s": 2})
    impatient, key = await hasty.connect(first(peer)), uuid4()
    spec = on(await disk_of(session, peer))
    hosts(peer)[0].slow["Start-VM"] = 4
    try:
        with pytest.raises(Unknown):
            await impatient.start_guest(spec, key=key)
        hosts(peer)[0].slow.clear()
        told = await once_more(lambda: impatient.start_guest(spec, key=key))
    finally:
        await hasty.close()
    assert (told.key, len(list(peer.world.vms()))) == (key, 1)


async def test_a_late_migration_is_found_again(peer: HypervPeer, session: HostSession) -> None:
    """Our wait is over before the move is: asked again, it is waited for and not begun anew."""
    hasty = make({"connect_s": 5, "verb_s": 20, "move_s": 2})
    impatient = await hasty.connect(first(peer))
    spec = on(await disk_of(session, peer))
    await session.start_guest(spec, key=uuid4())
    here, there = hosts(peer)
    here.slow["migrate"] = 4
    try:
        key = uuid4()
        with pytest.raises(Unknown):
            await impatient.migrate_guest(spec.guest_id, second(peer), key=key)
        assert machine(peer, spec).status == "MigratingVirtualMachine"
        await once_more(lambda: impatient.migrate_guest(spec.guest_id, second(peer), key=key))
    finally:
        await hasty.close()
    assert machine(peer, spec).host is there
    assert here.log.count("Move-VM") == 1


async def test_an_address_stands_for_the_nodes_of_its_cluster(
    peer: HypervPeer, session: HostSession, driver: Driver
) -> None:
    assert await driver.discover(first(peer)) == (first(peer),)
    peer.world.cluster = "cloud"
    found = await driver.discover(first(peer))
    assert found == (first(peer), second(peer))
    names = [(await (await driver.connect(one)).inspect()).name for one in found]
    assert names == [host.name for host in hosts(peer)]


async def test_a_guest_of_a_cluster_is_a_role_and_moves_as_one(
    peer: HypervPeer, session: HostSession
) -> None:
    peer.world.cluster = "cloud"
    spec, (here, there) = on(await disk_of(session, peer)), hosts(peer)
    await session.start_guest(spec, key=uuid4())
    assert machine(peer, spec).role == str(spec.guest_id)
    await session.migrate_guest(spec.guest_id, second(peer), key=uuid4())
    assert machine(peer, spec).host is there
    assert ("Move-VM" in here.log, here.log.count("Move-ClusterVirtualMachineRole")) == (False, 1)
    peer.world.cluster = "cloud"
    back = await make({}).connect(second(peer))
    await back.remove_guest(spec.guest_id, key=uuid4())
    await back.close()
    assert not list(peer.world.vms())


async def test_generation_1_takes_disks_and_no_cards_while_it_runs(
    peer: HypervPeer, session: HostSession
) -> None:
    root, data = await disk_of(session, peer), await disk_of(session, peer, blank=True)
    spec = on(root, boot="bios")
    await session.start_guest(spec, key=uuid4())
    vm = machine(peer, spec)
    assert (vm.generation, vm.drives[-1].controller) == (1, "IDE")
    (_, plug) = on(root, data).disks
    await session.attach_disk(spec.guest_id, plug, key=uuid4())
    assert [drive.controller for drive in vm.drives if drive.path] == ["IDE", "SCSI"]
    with pytest.raises(Refused, match="generation 1"):
        nic = NicSpec(nic_id=uuid4(), mac="02:00:00:00:00:01")
        await session.attach_nic(spec.guest_id, nic, key=uuid4())
    assert root.volume_id is not None
    with pytest.raises(Refused, match="starts from"):
        await session.detach_disk(spec.guest_id, root.volume_id, key=uuid4())


async def test_cards_are_on_their_switch_with_their_vlan(
    peer: HypervPeer, session: HostSession
) -> None:
    nics = (
        NicSpec(nic_id=uuid4(), mac="02:00:00:00:00:01", vlan=42),
        NicSpec(nic_id=uuid4(), mac="02:00:00:00:00:02", bridge="isolated"),
    )
    spec = on(await disk_of(session, peer), nics=nics)
    await session.start_guest(spec, key=uuid4())
    cards = machine(peer, spec).cards
    assert [(one.switch, one.vlan) for one in cards] == [("external", 42), ("isolated", 0)]
    assert [one.mac for one in cards] == ["020000000001", "020000000002"]


async def test_a_switch_that_is_not_there_is_refused_and_nothing_stays(
    peer: HypervPeer, session: HostSession
) -> None:
    nic = NicSpec(nic_id=uuid4(), mac="02:00:00:00:00:01", bridge="nowhere")
    spec = on(await disk_of(session, peer), nics=(nic,))
    with pytest.raises(Refused, match="nowhere"):
        await session.start_guest(spec, key=uuid4())
    assert not list(peer.world.vms())
    machines = peer.world.folder / "shares" / "pool" / "machines"
    assert not [one for one in machines.iterdir() if str(spec.guest_id) in one.name]


async def test_no_memory_now_is_unavailable(peer: HypervPeer, session: HostSession) -> None:
    host = hosts(peer)[0]
    spec = replace(on(await disk_of(session, peer)), memory_mib=15 * 1024)
    with pytest.raises(Unavailable, match="Not enough memory"):
        await session.start_guest(spec, key=uuid4())
    host.memory, before = 32 * GIB, host.memory
    try:
        assert (await session.start_guest(spec, key=uuid4())).guest_id == spec.guest_id
    finally:
        host.memory = before


async def test_a_snapshot_that_broke_leaves_no_checkpoint(
    peer: HypervPeer, session: HostSession
) -> None:
    disk, snapshot = await disk_of(session, peer), uuid4()
    assert disk.volume_id is not None
    spec = on(disk)
    await session.start_guest(spec, key=uuid4())
    peer.write_in_guest(disk.path, BYTE)
    full = Failure("There is not enough space on the disk. (0x80070070)", "OperationFailed")
    hosts(peer)[0].breaks["Convert-VHD"] = full
    with pytest.raises(Unavailable, match="not enough space"):
        await session.snapshot_disk(POOL, disk.volume_id, snapshot, key=uuid4())
    vm = machine(peer, spec)
    assert (vm.checkpoints, [drive.path for drive in vm.drives]) == ([], [disk.path])
    kept = await session.snapshot_disk(POOL, disk.volume_id, snapshot, key=uuid4())
    peer.write_in_guest(disk.path, BYTE + 1)
    assert (peer.read(kept.path), peer.read(disk.path)) == (BYTE, BYTE + 1)
    await session.remove_snapshot(POOL, snapshot, key=uuid4())


async def test_a_persons_checkpoint_hides_nothing(peer: HypervPeer, session: HostSession) -> None:
    """What the guest wrote since is in our snapshot, and in the disk when the machine is gone."""
    disk, (host, _) = await disk_of(session, peer), hosts(peer)
    assert disk.volume_id is not None
    spec = on(disk)
    await session.start_guest(spec, key=uuid4())
    peer.write_in_guest(disk.path, BYTE)
    run(host, ("Get-VM", {}), ("Checkpoint-VM", {"SnapshotName": "before the update"}))
    peer.write_in_guest(disk.path, BYTE + 1)
    kept = await session.snapshot_disk(POOL, disk.volume_id, uuid4(), key=uuid4())
    assert peer.read(kept.path) == BYTE + 1
    assert [one.name for one in machine(peer, spec).checkpoints] == ["before the update"]
    peer.write_in_guest(disk.path, BYTE + 2)
    await session.stop_guest(spec.guest_id, grace_s=0, key=uuid4())
    await session.remove_guest(spec.guest_id, key=uuid4())
    assert peer.read(disk.path) == BYTE + 2
    assert not list((peer.world.folder / "shares" / "pool" / "disks").glob("*.avhdx"))


def run(host: Host, *commands: tuple[str, dict[str, object]]) -> list[object]:
    """A person at the host's own prompt."""
    words = [Command(name, False, list(given.items())) for name, given in commands]

    def complain(failure: Failure) -> None:
        raise failure

    return list(Interpreter(host).run(words, [], complain))


async def test_disks_go_along_between_hosts_that_share_nothing(
    peer: HypervPeer, session: HostSession, driver: Driver
) -> None:
    target = await driver.connect(second(peer))
    for one in (session, target):
        await one.open_pool(LOCAL)
    disk = await disk_of(session, peer, LOCAL, blank=True)
    assert disk.volume_id is not None
    spec, elsewhere = on(disk), replace(LOCAL, url="file:///C:/other")
    await target.open_pool(elsewhere)
    await session.start_guest(spec, key=uuid4())
    peer.write_in_guest(disk.path, BYTE)
    move = DiskMove(volume_id=disk.volume_id, pool=elsewhere, size_bytes=disk.size_bytes)
    await session.migrate_guest(spec.guest_id, second(peer), key=uuid4(), moves=(move,))
    copy = await target.find_disk(elsewhere, disk.volume_id)
    assert copy is not None and copy.path == f"C:\\other\\disks\\{disk.volume_id}.vhdx"
    assert peer.read(copy.path, hosts(peer)[1].name) == BYTE
    assert await session.find_disk(LOCAL, disk.volume_id) is None


async def test_a_disk_whose_image_is_out_of_reach_stays(
    peer: HypervPeer, session: HostSession, driver: Driver
) -> None:
    target = await driver.connect(second(peer))
    await session.open_pool(LOCAL)
    elsewhere = replace(LOCAL, url="file:///C:/other")
    await target.open_pool(elsewhere)
    disk = await disk_of(session, peer, LOCAL)
    assert disk.volume_id is not None
    spec = on(disk)
    await session.start_guest(spec, key=uuid4())
    move = DiskMove(volume_id=disk.volume_id, pool=elsewhere, size_bytes=disk.size_bytes)
    with pytest.raises(Refused, match="does not reach"):
        await session.migrate_guest(spec.guest_id, second(peer), key=uuid4(), moves=(move,))
    assert machine(peer, spec).host is hosts(peer)[0]
    assert await target.find_disk(elsewhere, disk.volume_id) is None
    folder = hosts(peer)[0].root / "c" / "pool" / "notes"
    assert not [one for one in folder.iterdir() if str(disk.volume_id) in one.name]


async def test_an_image_stays_while_a_disk_of_another_pool_rests_on_it(
    peer: HypervPeer, session: HostSession
) -> None:
    disk = await disk_of(session, peer)
    assert disk.volume_id is not None
    spec = on(disk)
    await session.start_guest(spec, key=uuid4())
    moved = await session.move_disk(spec.guest_id, disk.volume_id, SECOND, key=uuid4())
    await session.remove_disk(POOL, disk.volume_id, key=uuid4())
    for one in await session.list_disks(POOL):
        assert one.volume_id is not None
        await session.remove_disk(POOL, one.volume_id, key=uuid4())
    assert not await session.drop_image(POOL, image(peer).image_id, key=uuid4())
    assert peer.read(moved.path) == 0
    await session.remove_guest(spec.guest_id, key=uuid4())
    await session.remove_disk(SECOND, disk.volume_id, key=uuid4())
    assert await session.drop_image(POOL, image(peer).image_id, key=uuid4())


async def test_what_is_no_image_is_found_out_before_it_is_carried(
    peer: HypervPeer, session: HostSession
) -> None:
    hosts(peer)[0].log.clear()
    for kind in ("vhdx", "qcow2", "iso", "zip"):
        wrong = ImageSource(image_id=uuid4(), path=__file__, image_format=kind, virtual_bytes=MIB)
        with pytest.raises(Refused):
            await session.keep_image(POOL, wrong, key=uuid4())
    incoming = peer.world.folder / "shares" / "pool" / "incoming"
    assert not list(incoming.glob("*"))


async def test_thousands_of_guests_cost_no_more_questions(
    peer: HypervPeer, session: HostSession
) -> None:
    host, service = hosts(peer)[0], peer.services[hosts(peer)[0].name]

    async def asked() -> int:
        before = service.requests
        await session.list_guests()
        await session.guest_stats()
        return service.requests - before

    await asked()
    few = await asked()
    for number in range(300):
        note = f'sagastack {{"id":"{UUID(int=number)}"}}'
        vm = Vm(f"guest-{number}", 2, MIB, "C:\\VMs", host, state="Running", notes=note)
        host.vms[vm.id] = vm
    many = await asked()
    assert len(await session.guest_stats()) == 300
    assert many < few + 10, f"{few} requests for no guest, {many} for 300"


async def test_the_console_says_where_vmconnect_goes(
    peer: HypervPeer, session: HostSession
) -> None:
    spec = on(await disk_of(session, peer))
    await session.start_guest(spec, key=uuid4())
    console = await session.console(spec.guest_id)
    host, vm = hosts(peer)[0], machine(peer, spec)
    assert (console.protocol, console.vnc_port) == ("rdp", 0)
    assert console.url == f"rdp://{host.name}:2179?vmid={vm.id}"


async def once_more(verb: Callable[[], Awaitable[T]]) -> T:
    """As the engine does: the same call, while it is Unavailable or Unknown."""
    async with asyncio.timeout(40):
        while True:
            try:
                return await verb()
            except (Unavailable, Unknown) as error:
                assert isinstance(error, DriverError)
                await asyncio.sleep(0.1)
