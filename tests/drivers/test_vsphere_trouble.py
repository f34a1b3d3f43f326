"""What goes wrong with a vCenter: each a clear error with a remedy, and nothing stuck."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from drivers.conformance.checks import attachment
from drivers.conformance.usual import small_guest
from drivers.contract.driver import HostSession
from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.contract.storage import DiskSpec, ImageSource, PoolSpec
from drivers.vsphere.client import Vcenter
from drivers.vsphere.driver import VsphereDriver
from drivers.vsphere.sdk import Stub, vim
from drivers.vsphere.session import VsphereSession
from drivers.vsphere.settings import Settings, read_settings
from drivers.vsphere.tasks import Wait
from tests.drivers.harness_vsphere import address, pool
from tests.drivers.vcenter_hand import Hand
from tests.guest.tiny import absent
from tests.peers import vcenter as peer
from tests.peers.relay import Relay

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

SMALL_BYTES = 2**20
SHORT = Settings(verb_s=2.0, connect_s=3.0, task_s=3.0)


@pytest.fixture(scope="module")
def vcenter() -> peer.VcenterPeer:
    if lacking := peer.missing():
        absent(f"there can be no vCenter: {lacking}")
    return peer.shared()


@asynccontextmanager
async def connected(
    vcenter: peer.VcenterPeer, *, port: int = 0, settings: Settings = SHORT
) -> AsyncIterator[HostSession]:
    driver = VsphereDriver(settings)
    try:
        yield await driver.connect(address(vcenter.url(peer.HOSTS[0], port=port)))
    finally:
        await driver.close()


async def test_a_wrong_password_is_refused(
    vcenter: peer.VcenterPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vCenter is told of it once, though all of its hosts are asked for."""
    driver, tried = VsphereDriver(SHORT), list[int]()
    whole = Vcenter.login
    monkeypatch.setattr(Vcenter, "login", lambda *ask: (tried.append(1), whole(*ask)))
    for ask in (driver.connect, driver.discover, driver.connect):
        with pytest.raises(Refused, match=r"does not know the user .* give them again"):
            await ask(address(vcenter.url(peer.HOSTS[0]), password="wrong"))
    assert len(tried) == 1
    await driver.close()


async def test_a_certificate_is_trusted_by_a_persons_yes(vcenter: peer.VcenterPeer) -> None:
    """The refusal tells the very fingerprint that, said back, is trusted; another is not."""
    driver = VsphereDriver(SHORT)
    with pytest.raises(Refused, match=r"not trusted .* repeat with \?pin=") as told:
        await driver.connect(address(vcenter.url(peer.HOSTS[0], pin="")))
    pins = re.findall(r"sha256:[0-9a-f]{64}", str(told.value))
    assert set(pins) == {vcenter.pin}
    session = await driver.connect(address(vcenter.url(peer.HOSTS[0], pin=pins[0])))
    assert (await session.inspect()).name == peer.HOSTS[0]
    other = f"sha256:{'0' * 64}"
    with pytest.raises(Refused, match="another certificate than the one that is pinned"):
        await driver.connect(address(vcenter.url(peer.HOSTS[0], pin=other)))
    await driver.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("vsphere://v.test", "names no cluster"),
        ("vsphere://v.test/a/b/c/d", "names no cluster"),
        ("https://v.test/a/b", "names no cluster"),
        ("vsphere://me@v.test/a/b", "holds no name"),
        ("vsphere://v.test:x/a/b", "is no URL"),
        ("vsphere://v.test/a/b?pin=sha256:12", "64 hexadecimal digits"),
    ],
)
async def test_a_wrong_url_is_refused(url: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        await VsphereDriver(SHORT).discover(address(url))


async def test_what_is_not_there_is_named(vcenter: peer.VcenterPeer) -> None:
    """And what is there instead, so that one sees what was meant."""
    driver = VsphereDriver(SHORT)
    base = f"vsphere://127.0.0.1:{vcenter.port}"
    for path, why in (
        ("Nowhere/DC0_C0", "has no datacenter Nowhere"),
        ("DC0/C9", "has no cluster C9"),
        ("DC0/DC0_C0/H9", "has no host 'H9', only DC0_C0_H0, DC0_C0_H1"),
    ):
        with pytest.raises(Refused, match=why):
            await driver.discover(address(f"{base}/{path}?pin={vcenter.pin}"))
    session = await driver.connect(address(vcenter.url(peer.HOSTS[0])))
    for url, why in (
        ("vmfs://DC0/Other", "no datastore 'Other': it has LocalDS_0, LocalDS_1"),
        ("ftp://DC0/LocalDS_0", "must be like vmfs://"),
    ):
        with pytest.raises(Refused, match=why):
            await session.open_pool(PoolSpec(pool_id=uuid4(), url=url))
    await driver.close()


def test_a_setting_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Refused, match="no setting named colour"):
        read_settings({"colour": "blue"})
    assert read_settings({"page": "7"}).page == 7


async def test_a_session_that_has_ended_is_opened_anew(vcenter: peer.VcenterPeer) -> None:
    """Questions, changes, the waiter for tasks and the datastore's files all go on."""
    hand, at = Hand(vcenter), pool(0)
    async with connected(vcenter) as session:
        await session.open_pool(at)
        for ended in (False, True):
            if ended:
                await asyncio.to_thread(hand.end_sessions)
            spec = DiskSpec(volume_id=uuid4(), size_bytes=SMALL_BYTES)
            await session.create_disk(at, spec, key=uuid4())
            assert await session.find_disk(at, spec.volume_id) is not None
            await session.remove_disk(at, spec.volume_id, key=uuid4())
        assert await session.list_guests() == []


async def test_a_password_that_was_changed_is_not_tried_until_the_account_is_locked(
    vcenter: peer.VcenterPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ask, and though a task is waited for: a vCenter locks after five tries."""
    hand, at, tried = Hand(vcenter), pool(0), list[str]()
    whole = Stub.InvokeMethod

    def counted(stub: Stub, mo: object, info: object, args: object, *more: object) -> object:
        tried.append(str(info.name))  # type: ignore[attr-defined]
        return whole(stub, mo, info, args, *more)

    async with connected(vcenter) as session:
        await session.open_pool(at)
        assert isinstance(session, VsphereSession)
        session._line.vcenter._password = "another"
        tasks = session._line.tasks
        waited: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        monkeypatch.setattr(Stub, "InvokeMethod", counted)
        await asyncio.to_thread(hand.end_sessions)
        tasks._add(Wait(vim.Task("task-gone", session._line.vcenter.stub), waited))
        for _ in range(8):
            with pytest.raises(Refused, match=r"update the host with the new one|InvalidLogin"):
                await session.remove_disk(at, uuid4(), key=uuid4())
        await asyncio.sleep(1.0)
        assert tried.count("Login") == 1
        assert len(tried) < 60, "nobody asks without a pause"


async def test_a_line_that_drops_in_the_middle_of_a_task(vcenter: peer.VcenterPeer) -> None:
    """The task goes on at the vCenter; whoever waits hears of its end over a new line."""
    at = pool(0)
    async with Relay("127.0.0.1", vcenter.port) as relay:
        async with connected(vcenter, port=relay.port) as session:
            await session.open_pool(at)
            spec, key = DiskSpec(volume_id=uuid4(), size_bytes=SMALL_BYTES), uuid4()

            async def made() -> None:
                while True:
                    try:
                        await session.create_disk(at, spec, key=key)
                    except (Unavailable, Unknown):
                        continue
                    return

            async with asyncio.TaskGroup() as group:
                making = group.create_task(made(), name="make")
                for _ in range(5):
                    await asyncio.sleep(0.02)
                    relay.cut()
                await asyncio.wait([making], timeout=60)
                assert making.done(), "the disk was never made"
            listed = await session.list_disks(at)
            assert sum(one.volume_id == spec.volume_id for one in listed) == 1
            await session.remove_disk(at, spec.volume_id, key=key)


async def test_a_vcenter_that_says_nothing_holds_nobody_up(vcenter: peer.VcenterPeer) -> None:
    """Each verb ends by its deadline, as what may or did not happen; then all is well again."""
    at = pool(0)
    async with Relay("127.0.0.1", vcenter.port) as relay:
        async with connected(vcenter, port=relay.port) as session:
            await session.open_pool(at)
            relay.hang()
            spec = DiskSpec(volume_id=uuid4(), size_bytes=SMALL_BYTES)
            for verb in (
                session.list_guests(),
                session.create_disk(at, spec, key=uuid4()),
                session.stop_guest(uuid4(), grace_s=0, key=uuid4()),
            ):
                async with asyncio.timeout(60):
                    with pytest.raises((Unavailable, Unknown)):
                        await verb
            relay.heal()
            relay.cut()
            async with asyncio.timeout(60):
                while True:
                    try:
                        assert await session.list_guests() == []
                        break
                    except DriverError:
                        continue


async def test_nobody_there_is_unavailable(vcenter: peer.VcenterPeer) -> None:
    with pytest.raises(Unavailable):
        await VsphereDriver(SHORT).connect(address(vcenter.url(peer.HOSTS[0], port=9)))


async def test_an_image_of_another_kind_than_it_says(
    vcenter: peer.VcenterPeer, tmp_path: Path
) -> None:
    """It is refused before anything is sent, and nothing of it is in the pool."""
    at = pool(0)
    (tmp_path / "cat.jpeg").write_bytes(b"\xff\xd8\xff\xe0 not a disk at all")
    async with connected(vcenter) as session:
        await session.open_pool(at)
        for kind, why in (("vmdk", "qemu-img"), ("ova", "no OVA"), ("jpeg", "vSphere takes")):
            image = ImageSource(
                image_id=uuid4(),
                path=str(tmp_path / "cat.jpeg"),
                image_format=kind,
                virtual_bytes=SMALL_BYTES,
            )
            with pytest.raises(Refused, match=why):
                await session.keep_image(at, image, key=uuid4())
            assert image.image_id not in await session.list_images(at)


async def test_a_full_host_leaves_nothing_of_the_guest(vcenter: peer.VcenterPeer) -> None:
    """A disk that another machine runs from is locked: the start fails, and its machine goes."""
    at, hand = pool(0), Hand(vcenter)
    async with connected(vcenter) as session:
        await session.open_pool(at)
        disk = await session.create_disk(
            at, DiskSpec(volume_id=uuid4(), size_bytes=SMALL_BYTES), key=uuid4()
        )
        first = small_guest(disks=[attachment(disk, 0)])
        second = small_guest(disks=[attachment(disk, 0)])
        await session.start_guest(first, key=uuid4())
        with pytest.raises(Unavailable, match="FileLocked"):
            await session.start_guest(second, key=uuid4())
        assert [one.guest_id for one in await session.list_guests()] == [first.guest_id]
        assert len(await asyncio.to_thread(hand.machines)) == 1
        await session.remove_guest(first.guest_id, key=uuid4())
        assert disk.volume_id is not None
        await session.remove_disk(at, disk.volume_id, key=uuid4())
