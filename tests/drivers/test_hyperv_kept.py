"""Snapshots of whole Hyper-V guests: what goes wrong on the way, and what is left of the disks."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from drivers.contract.compute import DiskAttachment, GuestSpec
from drivers.contract.driver import Driver, HostSession
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import DiskStatus
from drivers.hyperv.driver import make
from tests.drivers.harness_hyperv import leftovers
from tests.drivers.test_hyperv_peer import (
    POOL,
    SECOND,
    _peer,
    disk_of,
    first,
    hosts,
    machine,
    on,
    second,
)
from tests.peers.hyperv import HypervPeer, Vm
from tests.peers.hyperv.peer import missing
from tests.peers.hyperv.values import Failure
from tests.peers.hyperv.world import parent_of

pytestmark = pytest.mark.skipif(
    bool(missing()) and os.environ.get("SAGASTACK_REQUIRE_PEERS") != "1", reason=missing()
)

THEN, NOW = 5, 6
FULL = "There is not enough space on the disk. (0x80070070)"


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HypervPeer]:
    yield from _peer(tmp_path_factory.mktemp("hyperv-kept"), 21, tls=True)


@pytest.fixture
async def driver() -> AsyncIterator[Driver]:
    made = make({"connect_s": 5, "verb_s": 20, "image_s": 20, "move_s": 20})
    yield made
    await made.close()


@pytest.fixture
async def session(peer: HypervPeer, driver: Driver) -> AsyncIterator[HostSession]:
    """The first host with both pools; what a test keeps must go with its disks."""
    session = await driver.connect(first(peer))
    for pool in (POOL, SECOND):
        await session.open_pool(pool)
    yield session
    for host in hosts(peer):
        host.breaks.clear()
        for vm in list(host.vms.values()):
            vm.state = "Off"
    for guest in await session.list_guests():
        if guest.guest_id is not None:
            await session.remove_guest(guest.guest_id, key=uuid4())
    for pool in (POOL, SECOND):
        for disk in await session.list_disks(pool):
            assert disk.volume_id is not None
            await session.remove_disk(pool, disk.volume_id, key=uuid4())
    assert not leftovers(peer.world.folder / "shares")


class Guest:
    """One that runs, whose disks and mind hold `THEN`, and what is asked about it."""

    def __init__(self, peer: HypervPeer, session: HostSession, *disks: DiskStatus) -> None:
        self.peer, self.session, self.disks = peer, session, disks
        self.spec: GuestSpec = on(*disks)
        self.snapshot_id = uuid4()

    @property
    def ask(self) -> tuple[UUID, UUID, tuple[DiskAttachment, ...]]:
        return self.spec.guest_id, self.snapshot_id, self.spec.disks

    def vm(self) -> Vm:
        return machine(self.peer, self.spec)

    def hold(self, byte: int) -> None:
        self.vm().mind = str(byte)
        for disk in self.disks:
            self.peer.write_in_guest(disk.path, byte)

    async def keep(self, *, with_memory: bool) -> None:
        await self.session.snapshot_guest(*self.ask, with_memory=with_memory, key=uuid4())

    def chain(self) -> list[Path]:
        """What each disk rests on, beneath the file that it is known by."""
        vm = self.vm()
        assert [drive.path for drive in vm.drives] == [disk.path for disk in self.disks]
        found = [parent_of(vm.host.local(drive.path)) for drive in vm.drives]
        return [one for one in found if one is not None]


async def guest_of(peer: HypervPeer, session: HostSession, *, blank: int = 0) -> Guest:
    disks = [await disk_of(session, peer)]
    disks += [await disk_of(session, peer, blank=True) for _ in range(blank)]
    guest = Guest(peer, session, *disks)
    await session.start_guest(guest.spec, key=uuid4())
    guest.hold(THEN)
    return guest


async def test_memory_and_disks_come_back_after_a_stop_and_a_start_elsewhere(
    peer: HypervPeer, session: HostSession, driver: Driver
) -> None:
    guest = await guest_of(peer, session, blank=1)
    bases = guest.chain()
    await guest.keep(with_memory=True)
    assert (guest.chain(), len(bases)) == (bases, 1), "it runs from the disks that it had"
    assert not guest.vm().checkpoints
    guest.hold(NOW)
    await session.remove_guest(guest.spec.guest_id, key=uuid4())
    other = await driver.connect(second(peer))
    await other.start_guest(guest.spec, key=uuid4())
    assert guest.vm().mind == ""
    key = uuid4()
    for _ in range(2):  # the answer to the first may be lost
        await other.revert_guest(*guest.ask, with_memory=True, key=key)
    vm = guest.vm()
    assert (vm.state, vm.mind, vm.host.name) == ("Running", str(THEN), hosts(peer)[1].name)
    assert guest.chain() == [], "what comes back stands alone"
    guest.hold(NOW)
    await other.revert_guest(*guest.ask, with_memory=True, key=key)
    assert guest.vm().mind == str(NOW), "a repeated call undid what the guest did since"
    await other.remove_guest(guest.spec.guest_id, key=uuid4())
    await other.revert_guest(*guest.ask, with_memory=False, key=uuid4())
    assert [peer.read(disk.path) for disk in guest.disks] == [THEN, THEN]


async def test_without_memory_the_guest_is_asked_to_order_its_files(
    peer: HypervPeer, session: HostSession
) -> None:
    guest = await guest_of(peer, session)
    await guest.keep(with_memory=False)
    assert guest.vm().checkpoint_type == "Production"
    with pytest.raises(Refused, match="no snapshot"):
        await session.revert_guest(*guest.ask, with_memory=True, key=uuid4())
    with pytest.raises(Refused, match="when it is off"):
        await session.revert_guest(*guest.ask, with_memory=False, key=uuid4())
    guest.snapshot_id = uuid4()
    await guest.keep(with_memory=True)
    assert guest.vm().checkpoint_type == "Standard"


async def test_what_was_broken_off_is_kept_of_one_moment_when_it_is_repeated(
    peer: HypervPeer, session: HostSession
) -> None:
    guest = await guest_of(peer, session, blank=1)
    hosts(peer)[0].breaks["Export-VMCheckpoint"] = Failure(FULL, "OperationFailed")
    with pytest.raises(Unavailable):
        await guest.keep(with_memory=True)
    assert not guest.vm().checkpoints
    guest.hold(NOW)
    await guest.keep(with_memory=True)
    guest.hold(THEN)
    await session.revert_guest(*guest.ask, with_memory=True, key=uuid4())
    assert guest.vm().mind == str(NOW)
    assert [peer.read(disk.path) for disk in guest.disks] == [NOW, NOW]


async def test_a_way_back_that_was_broken_off_is_gone_on_with(
    peer: HypervPeer, session: HostSession
) -> None:
    """The guest is gone meanwhile, which a first call would refuse."""
    guest, key = await guest_of(peer, session), uuid4()
    await guest.keep(with_memory=True)
    guest.hold(NOW)
    hosts(peer)[0].breaks["Import-VM"] = Failure(FULL, "OperationFailed")
    with pytest.raises(Unavailable):
        await session.revert_guest(*guest.ask, with_memory=True, key=key)
    assert await session.find_guest(guest.spec.guest_id) is None
    await session.revert_guest(*guest.ask, with_memory=True, key=key)
    assert guest.vm().mind == str(THEN)


async def test_a_guest_that_cannot_come_back_leaves_the_disks_that_were_kept(
    peer: HypervPeer, session: HostSession
) -> None:
    guest = await guest_of(peer, session)
    await guest.keep(with_memory=True)
    guest.hold(NOW)
    hosts(peer)[0].breaks["Import-VM"] = Failure("of another processor", "OperationFailed")
    with pytest.raises(Refused, match="of another processor"):
        await session.revert_guest(*guest.ask, with_memory=True, key=uuid4())
    assert peer.read(guest.disks[0].path) == THEN
    with pytest.raises(Refused, match="start it first"):
        await session.revert_guest(*guest.ask, with_memory=True, key=uuid4())
    await session.start_guest(guest.spec, key=uuid4())


async def test_disks_of_two_pools_are_kept_without_memory_only(
    peer: HypervPeer, session: HostSession
) -> None:
    disks = [await disk_of(session, peer), await disk_of(session, peer, SECOND, blank=True)]
    guest = Guest(peer, session, *disks)
    await session.start_guest(guest.spec, key=uuid4())
    guest.hold(THEN)
    with pytest.raises(Refused, match="move them to one pool, or keep it without"):
        await guest.keep(with_memory=True)
    await guest.keep(with_memory=False)
    guest.hold(NOW)
    await session.remove_guest(guest.spec.guest_id, key=uuid4())
    none = replace(guest.spec.disks[0], volume_id=uuid4())
    with pytest.raises(Refused, match="keep no snapshot"):
        await session.revert_guest(*guest.ask[:2], (none,), with_memory=False, key=uuid4())
    await session.revert_guest(*guest.ask, with_memory=False, key=uuid4())
    assert [peer.read(disk.path) for disk in disks] == [THEN, THEN]
