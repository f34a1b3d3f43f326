"""A line to a XenServer pool: who is let in, what is trusted, and what a broken line means.

Against the protocol's peer; what is counted are the calls that reached it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from drivers.conformance.checks import is_running
from drivers.contract.compute import DiskAttachment, HostAddress
from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.contract.storage import DiskPlace, DiskSpec, DiskStatus
from drivers.xapi.address import read_address
from drivers.xapi.session import XapiSession
from tests.drivers.harness_xapi import XapiHarness, address_of, harness
from tests.peers.xapi import Fault

MIB = 1024**2


@pytest.fixture
async def site() -> AsyncIterator[XapiHarness]:
    async with harness() as one:
        assert isinstance(one, XapiHarness)
        yield one


async def open_session(site: XapiHarness, host: int = 0) -> XapiSession:
    session = await site.driver.connect(site.of(host))
    assert isinstance(session, XapiSession)
    for pool in (site.pool(), site.second_pool()):
        await session.open_pool(pool)
    return session


async def clone(site: XapiHarness, session: XapiSession) -> DiskStatus:
    spec = DiskSpec(volume_id=uuid4(), size_bytes=16 * MIB, image=site.image())
    return await session.create_disk(site.pool(), spec, key=uuid4())


def held(disk: DiskStatus, device: int = 0) -> DiskAttachment:
    assert disk.volume_id is not None
    return DiskAttachment(volume_id=disk.volume_id, path=disk.path, device=device)


async def clear(site: XapiHarness, session: XapiSession, *guests: object) -> None:
    for one in await session.list_guests():
        if one.guest_id is not None:
            await session.remove_guest(one.guest_id, key=uuid4())
    for pool in (site.pool(), site.second_pool()):
        for disk in await session.list_disks(pool):
            if disk.volume_id is not None:
                await session.remove_disk(pool, disk.volume_id, key=uuid4())


# ---- who is let in --------------------------------------------------------------------------


async def test_a_pools_address_stands_for_its_hosts(site: XapiHarness) -> None:
    found = await site.driver.discover(site.of(0, path=False))
    assert [one.url for one in found] == [site.of(0).url, site.of(1).url]
    with pytest.raises(Refused, match=r"2 hosts \(alpha, beta\)"):
        await site.driver.connect(site.of(0, path=False))


async def test_wrong_credentials_are_refused_with_a_remedy(site: XapiHarness) -> None:
    with pytest.raises(Refused, match="check the user name and the password"):
        await site.driver.connect(replace(site.of(0), password="wrong"))


async def test_a_certificate_is_trusted_by_its_pin_alone(site: XapiHarness) -> None:
    plain = site.of(0).url.partition("?")[0]
    pin = site.world.pin(site.world.hosts[0])
    with pytest.raises(Refused, match=f"repeat with .pin={pin}"):
        await site.driver.connect(replace(site.of(0), url=plain))
    other = f"{plain}?pin=sha256:{'0' * 64}"
    with pytest.raises(Refused, match="another certificate than the one that is pinned"):
        await site.driver.connect(replace(site.of(0), url=other))


async def test_a_members_certificate_may_be_renewed(site: XapiHarness) -> None:
    """The pool vouches for its members: what it said of one before does not lock that out."""
    session, world = await open_session(site, 1), site.world
    await session.host_stats()
    assert world.server is not None
    await world.server.renew_certificate(world.hosts[1])
    with pytest.raises(Unavailable, match="the pool is asked again"):
        await session.host_stats()
    assert (await session.host_stats()).memory_used_bytes > 0


async def test_a_host_that_is_not_of_the_pool_is_refused(site: XapiHarness) -> None:
    master = site.of(0)
    uuid = site.world.store.get("host", site.world.hosts[0])["uuid"]
    gone = replace(master, url=master.url.replace(uuid, str(uuid4())))
    with pytest.raises(Refused, match="has no host"):
        await site.driver.connect(gone)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("xapi://root:pw@pool", "must not hold a password"),
        ("xapi://pool/not-a-uuid", "is no UUID of a host"),
        ("qemu:///system", "names no XenServer"),
        ("xapi://pool:notaport", "host URL"),
        ("xapi://pool?pin=sha256:12", "64 hexadecimal digits"),
    ],
)
def test_a_url_that_cannot_be_used_says_why(url: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        read_address(HostAddress(url=url))


def test_clients_name_a_host_by_http() -> None:
    place = read_address(HostAddress(url="http://xen.test"))
    assert (place.host, place.port) == ("xen.test", 443)


# ---- who is master --------------------------------------------------------------------------


async def test_a_slave_is_told_from_its_master(site: XapiHarness) -> None:
    """A slave's pin does not vouch for the master: the words say whom to name."""
    world = site.world
    slave = f"xapi://{world.address(world.hosts[1])}:{world.port}?pin={world.pin(world.hosts[1])}"
    with pytest.raises(Refused, match="name the pool by its master"):
        await site.driver.discover(replace(site.of(0), url=slave))


@pytest.mark.parametrize("dead", [False, True])
async def test_another_master_is_found(site: XapiHarness, dead: bool) -> None:
    """By the old one's word, or by asking the members where that is dead."""
    session, world = await open_session(site, 1), site.world
    disk = await clone(site, session)
    spec = site.guest(disks=[held(disk)])
    world.store.put(world.pool, master=world.hosts[1])
    await site.disconnect(session)
    if dead:
        assert world.server is not None
        world.server.host_down(world.hosts[0])
    with pytest.raises(Unavailable):
        await session.start_guest(spec, key=uuid4())
    assert is_running(await session.start_guest(spec, key=uuid4()))
    assert is_running(await session.find_guest(spec.guest_id))
    await clear(site, session)


async def test_a_session_that_lay_idle_is_renewed(site: XapiHarness) -> None:
    session = await open_session(site)
    site.world.behaviour.session_s = 0.0
    logins = site.world.calls["session.login_with_password"]
    for ref in site.world.store.refs("session"):
        site.world.seen[ref] = 0.0
    site.world.behaviour.session_s = 60.0
    assert await session.list_guests() == []
    assert site.world.calls["session.login_with_password"] == logins + 1


# ---- what a broken line means ---------------------------------------------------------------


async def test_a_start_whose_answer_is_lost_is_not_started_twice(site: XapiHarness) -> None:
    session, key = await open_session(site), uuid4()
    spec = site.guest(disks=[held(await clone(site, session))])
    site.world.behaviour.faults["Async.VM.start_on"] = Fault(drop="after")
    with pytest.raises(Unknown, match="the line to"):
        await session.start_guest(spec, key=key)
    assert is_running(await session.start_guest(spec, key=key))
    assert site.world.calls["Async.VM.start_on"] == 1
    await clear(site, session)


@pytest.mark.parametrize("status", ["500 Internal Error", "503 Service Unavailable"])
async def test_a_start_of_which_http_says_nothing_may_have_happened(
    site: XapiHarness, status: str
) -> None:
    """As XAPI's toolstack does when it starts anew, or a proxy before it: nothing is undone."""
    session, key = await open_session(site), uuid4()
    spec = site.guest(disks=[held(await clone(site, session))])
    site.world.behaviour.faults["Async.VM.start_on"] = Fault(status=status)
    with pytest.raises(Unknown, match=status[:3]):
        await session.start_guest(spec, key=key)
    assert is_running(await session.start_guest(spec, key=key))
    assert site.world.calls["Async.VM.start_on"] == 1
    site.world.behaviour.faults["VBD.get_all_records"] = Fault(status=status)
    with pytest.raises(Unavailable, match=status[:3]):
        await session.list_guests()
    await clear(site, session)


async def test_statistics_that_say_nothing_are_unavailable(site: XapiHarness) -> None:
    """Whichever answer it is, and whatever it is in its place; the next look adds up as before."""
    session = await open_session(site)
    for after in range(20):
        site.world.behaviour.garble.wish(after)
        try:
            await session.host_stats()
        except Unavailable:
            assert (await session.host_stats()).memory_used_bytes > 0
    assert not site.world.behaviour.garble.wish(None), "not every answer was spoiled once"


async def test_a_call_that_never_arrived_is_done_the_next_time(site: XapiHarness) -> None:
    session, key = await open_session(site), uuid4()
    spec = site.guest(disks=[held(await clone(site, session))])
    site.world.behaviour.faults["Async.VM.clone"] = Fault(drop="before")
    with pytest.raises(Unknown):
        await session.start_guest(spec, key=key)
    assert is_running(await session.start_guest(spec, key=key))
    await clear(site, session)


async def test_a_question_that_broke_is_unavailable(site: XapiHarness) -> None:
    session = await open_session(site)
    site.world.behaviour.faults["VBD.get_all_records"] = Fault(drop="before")
    with pytest.raises(Unavailable, match="the line to"):
        await session.list_guests()
    assert await session.list_guests() == []


async def test_a_late_migration_is_waited_for_and_not_begun_again(site: XapiHarness) -> None:
    session, there = await open_session(site), await open_session(site, 1)
    spec = site.guest(disks=[held(await clone(site, session))])
    await session.start_guest(spec, key=uuid4())
    await asyncio.sleep(2 * site.world.behaviour.boots_s)
    site.world.behaviour.copy_s, key = 1.0, uuid4()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await session.migrate_guest(spec.guest_id, site.of(1), key=key)
    await session.migrate_guest(spec.guest_id, site.of(1), key=key)
    assert site.world.calls["Async.VM.pool_migrate"] == 1
    assert is_running(await there.find_guest(spec.guest_id))
    await clear(site, there)


async def test_a_clone_that_nobody_waited_for_is_claimed(site: XapiHarness) -> None:
    session, key = await open_session(site), uuid4()
    await session.keep_image(site.pool(), site.image(), key=uuid4())
    spec = DiskSpec(volume_id=uuid4(), size_bytes=16 * MIB, image=site.image())
    site.world.behaviour.pace_s = 0.6
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await session.create_disk(site.pool(), spec, key=key)
    site.world.behaviour.pace_s = 0.01
    await session.create_disk(site.pool(), spec, key=key)
    assert site.world.calls["Async.VDI.clone"] == 1
    await clear(site, session)


@pytest.mark.parametrize("drop", ["", "cut"])
async def test_an_upload_that_breaks_leaves_nothing(site: XapiHarness, drop: str) -> None:
    """Slow is well; a line that is cut in the middle is Unavailable, and the next try is whole."""
    session, key = await open_session(site), uuid4()
    spec = DiskSpec(volume_id=uuid4(), size_bytes=16 * MIB, image=site.image())
    site.world.behaviour.faults["import_raw_vdi"] = Fault(delay_s=0.3, drop=drop)
    if drop:
        with pytest.raises(Unavailable):
            await session.create_disk(site.pool(), spec, key=key)
        assert await session.list_images(site.pool()) == []
        assert await session.list_disks(site.pool()) == []
    disk = await session.create_disk(site.pool(), spec, key=key)
    with site.file(disk.path).open("rb") as file:
        file.seek(8 * MIB)
        assert file.read(8) == b"an image"
    await clear(site, session)


async def test_an_export_that_breaks_writes_no_file(site: XapiHarness) -> None:
    session, path = await open_session(site), site.scratch()
    disk = await clone(site, session)
    assert disk.volume_id is not None
    place = DiskPlace(pool=site.pool(), disk_id=disk.volume_id)
    site.world.behaviour.faults["export_raw_vdi"] = Fault(drop="cut")
    with pytest.raises(Unavailable):
        await session.export_disk(place, path, key=uuid4())
    facts = await session.export_disk(place, path, key=uuid4())
    assert facts.virtual_bytes == 16 * MIB
    await clear(site, session)


# ---- tasks and events -----------------------------------------------------------------------


async def test_tasks_are_waited_for_by_events(site: XapiHarness) -> None:
    """Each task is looked at once when its wait begins; the rest is heard."""
    session, world = await open_session(site), site.world
    world.behaviour.pace_s = 0.2
    async with asyncio.TaskGroup() as making:
        made = [making.create_task(clone(site, session)) for _ in range(6)]
    disks = [one.result() for one in made]
    looks, began = world.calls.get("task.get_record", 0), world.calls.get("Async.VM.start_on", 0)
    tasks = sum(number for name, number in world.calls.items() if name.startswith("Async."))
    async with asyncio.TaskGroup() as group:
        for disk in disks:
            spec = site.guest(disks=[held(disk)])
            group.create_task(session.start_guest(spec, key=uuid4()))
    begun = sum(number for name, number in world.calls.items() if name.startswith("Async."))
    assert world.calls["Async.VM.start_on"] - began == 6
    assert world.calls["task.get_record"] - looks == begun - tasks
    await clear(site, session)


@pytest.mark.parametrize("code", ["EVENTS_LOST", "EVENT_FROM_TOKEN_PARSE_FAILURE"])
async def test_lost_events_are_made_up_for(site: XapiHarness, code: str) -> None:
    session = await open_session(site)
    site.world.behaviour.pace_s = 0.1
    spec = site.guest(disks=[held(await clone(site, session))])
    site.world.behaviour.faults["event.from"] = Fault(error=(code,), times=2)
    assert is_running(await session.start_guest(spec, key=uuid4()))
    await clear(site, session)


async def test_many_guests_take_few_calls(site: XapiHarness) -> None:
    session, world = await open_session(site), site.world
    for number in range(600):
        vm = world.store.add(
            "VM", name_label=f"stranger-{number}", power_state="Running", domid=number,
            resident_on=world.hosts[0],
        )  # fmt: skip
        world.started[vm] = world.clock()
    before = sum(world.calls.values())
    assert len(await session.list_guests()) == 600
    assert sum(world.calls.values()) - before <= 10
    assert await session.guest_stats() == []
    assert sum(world.calls.values()) - before <= 24


def test_addresses_of_one_pool_are_told_apart(site: XapiHarness) -> None:
    assert address_of(site.world, 0) != address_of(site.world, 1)
