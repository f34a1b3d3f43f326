"""Disks that move to another volume type: what Cinder and Nova may make of it, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from drivers.contract.compute import DiskAttachment
from drivers.contract.driver import HostSession
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import DiskPlace, DiskSpec
from drivers.openstack.driver import make_all
from tests.drivers.harness_openstack import SETTINGS, OpenStackHarness, region
from tests.peers.openstack.state import Fault, Row
from tests.peers.openstack.swaps import action

GIB = 1024**3


@pytest.fixture
async def there() -> AsyncIterator[OpenStackHarness]:
    async with region() as ready:
        yield ready


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def disk(ready: OpenStackHarness, session: HostSession) -> UUID:
    spec = DiskSpec(volume_id=uuid4(), size_bytes=GIB)
    await session.create_disk(ready.pool(), spec, key=uuid4())
    return spec.volume_id


async def running(ready: OpenStackHarness, session: HostSession) -> tuple[UUID, UUID]:
    """A guest that runs, and its one disk, in the first pool."""
    volume_id = await disk(ready, session)
    found = await session.find_disk(ready.pool(), volume_id)
    assert found is not None
    root = DiskAttachment(volume_id=volume_id, path=found.path, device=0, image_format="raw")
    spec = ready.guest(disks=(root,))
    await session.start_guest(spec, key=uuid4())
    return spec.guest_id, volume_id


def row_of(ready: OpenStackHarness, volume_id: UUID) -> Row:
    (row,) = (
        one
        for one in ready.region.volumes.values()
        if one["metadata"].get("sagastack_volume") == str(volume_id)
        and not str(one.get("migration_status") or "").startswith(("target:", "deleting"))
    )
    return row


def copied(ready: OpenStackHarness, volume_id: UUID) -> tuple[DiskPlace, DiskSpec]:
    """What a disk at rest is moved by: a copy under its own id in the other pool."""
    place = DiskPlace(pool=ready.pool(), disk_id=volume_id)
    return place, DiskSpec(volume_id=volume_id, size_bytes=GIB)


async def test_a_live_move_is_over_when_nova_knows_of_it(there: OpenStackHarness) -> None:
    """Cinder is done first: a guest that is stopped then would keep its volume in use."""
    session = await there.connect()
    guest_id, volume_id = await running(there, session)
    there.region.swaps_recorded.clear()
    move = session.move_disk(guest_id, volume_id, there.second_pool(), key=uuid4())
    moving = asyncio.create_task(move)
    await until(lambda: row_of(there, volume_id)["volume_type"] == "slow")
    asked = len(there.region.asked)
    await until(lambda: len(there.region.asked) > asked + 6)
    assert not moving.done(), "Nova has not written it down"
    there.region.swaps_recorded.set()
    await moving
    await session.remove_guest(guest_id, key=uuid4())
    assert row_of(there, volume_id)["status"] == "available"


async def test_a_volume_that_nova_forgot_is_freed(there: OpenStackHarness) -> None:
    """Somebody removed the server in that moment: nobody else would ever free its volume."""
    (driver,) = make_all({**SETTINGS, "let_go_s": "0.05"})
    session = await driver.connect(there.address())
    guest_id, volume_id = await running(there, session)
    there.region.swaps_recorded.clear()
    move = session.move_disk(guest_id, volume_id, there.second_pool(), key=uuid4())
    moving = asyncio.create_task(move)
    await until(lambda: row_of(there, volume_id)["volume_type"] == "slow")
    removing = asyncio.create_task(session.remove_guest(guest_id, key=uuid4()))
    await until(lambda: any(method == "DELETE" for method, _ in there.region.asked))
    there.region.swaps_recorded.set()
    await asyncio.gather(moving, removing)
    row = row_of(there, volume_id)
    assert (row["status"], len(row["attachments"])) == ("in-use", 1)
    place, spec = copied(there, volume_id)
    place = replace(place, pool=there.second_pool())
    await session.copy_disk(place, there.pool(), spec, key=uuid4())
    assert (row["status"], row["attachments"]) == ("available", [])
    await driver.close()


async def test_a_volume_whose_user_cinder_lost_is_freed(there: OpenStackHarness) -> None:
    """Where the old volume of a swap goes fast, its removal takes the new attachment with it."""
    (driver,) = make_all({**SETTINGS, "let_go_s": "0.05"})
    session = await driver.connect(there.address())
    guest_id, volume_id = await running(there, session)
    await session.move_disk(guest_id, volume_id, there.second_pool(), key=uuid4())
    row = row_of(there, volume_id)
    row["attachments"].clear()
    place, spec = copied(there, volume_id)
    place = replace(place, pool=there.second_pool())
    (server_id,) = there.region.servers
    with pytest.raises(Refused, match=f"server {server_id} uses it. Stop the guest"):
        await session.copy_disk(place, there.pool(), spec, key=uuid4())
    await session.remove_guest(guest_id, key=uuid4())
    assert row["status"] == "in-use"
    await session.copy_disk(place, there.pool(), spec, key=uuid4())
    assert row["status"] == "available"
    await driver.close()


async def test_a_plugged_disk_whose_user_cinder_lost_is_pulled(there: OpenStackHarness) -> None:
    (driver,) = make_all({**SETTINGS, "let_go_s": "0.05"})
    session = await driver.connect(there.address())
    guest_id, _ = await running(there, session)
    volume_id = await disk(there, session)
    found = await session.find_disk(there.pool(), volume_id)
    assert found is not None
    data = DiskAttachment(volume_id=volume_id, path=found.path, device=1, image_format="raw")
    await session.attach_disk(guest_id, data, key=uuid4())
    row = row_of(there, volume_id)
    row["attachments"].clear()
    await session.detach_disk(guest_id, volume_id, key=uuid4())
    assert row["status"] == "available"
    await driver.close()


async def test_a_volume_in_use_by_nobody_is_refused_with_the_remedy(
    there: OpenStackHarness,
) -> None:
    """Only an administrator may have Cinder forget of it."""
    (driver,) = make_all({"poll_s": "0.01", "task_s": "0.1"})
    session = await driver.connect(there.address())
    volume_id = await disk(there, await there.connect())
    row = row_of(there, volume_id)
    place, spec = copied(there, volume_id)
    there.region.faults = [Fault("POST", f"/volumes/{row['id']}/action$", status=403, times=2)]
    for status in ("in-use", "detaching", "maintenance"):
        row["status"] = status
        with pytest.raises(Refused, match=f"--state available --detached {row['id']}"):
            await session.copy_disk(place, there.second_pool(), spec, key=uuid4())
    row["status"] = "reserved"
    with pytest.raises(Refused, match=f"free it: openstack volume set .* {row['id']}"):
        await session.copy_disk(place, there.second_pool(), spec, key=uuid4())
    row["status"] = "error_detaching"
    with pytest.raises(Refused, match="status error_detaching"):
        await session.copy_disk(place, there.second_pool(), spec, key=uuid4())
    await driver.close()


async def test_a_server_that_nova_keeps_for_a_while_is_named(there: OpenStackHarness) -> None:
    session = await there.connect()
    guest_id, volume_id = await running(there, session)
    (server,) = there.region.servers.values()
    server["status"] = "SOFT_DELETED"
    place, spec = copied(there, volume_id)
    with pytest.raises(Refused, match=f"{server['id']} is removed, .*reclaim_instance_interval"):
        await session.copy_disk(place, there.second_pool(), spec, key=uuid4())
    server["status"] = "ACTIVE"
    await session.remove_guest(guest_id, key=uuid4())


@pytest.mark.parametrize("is_live", [True, False])
async def test_a_copy_takes_as_long_as_its_bytes_do(there: OpenStackHarness, is_live: bool) -> None:
    """The time of a task bounds no copy: one that is given up and begun again never ends."""
    session = await there.connect()
    guest_id, volume_id = await running(there, session)
    there.region.retype_s = 0.5
    (driver,) = make_all({"poll_s": "0.01", "task_s": "0.1"})
    hasty = await driver.connect(there.address())
    if is_live:
        await hasty.move_disk(guest_id, volume_id, there.second_pool(), key=uuid4())
        await session.remove_guest(guest_id, key=uuid4())
    else:
        await session.remove_guest(guest_id, key=uuid4())
        place, spec = copied(there, volume_id)
        await hasty.copy_disk(place, there.second_pool(), spec, key=uuid4())
        await session.remove_disk(there.pool(), volume_id, key=uuid4())
    assert row_of(there, volume_id)["volume_type"] == "slow"
    assert await session.find_disk(there.second_pool(), volume_id) is not None
    await driver.close()


async def test_a_copy_that_was_interrupted_is_waited_for(there: OpenStackHarness) -> None:
    """A controller that died asks again with the same key: Cinder has gone on meanwhile.

    What Cinder copies to bears the same marks, and is left alone.
    """
    session, key = await there.connect(), uuid4()
    volume_id = await disk(there, session)
    place, spec = copied(there, volume_id)
    there.region.retype_s = 0.5
    first = asyncio.create_task(session.copy_disk(place, there.second_pool(), spec, key=key))
    rows = there.region.volumes
    await until(lambda: any("target:" in str(one.get("migration_status")) for one in rows.values()))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await session.find_disk(there.second_pool(), volume_id) is None, "it is not whole"
    half = next(one["id"] for one in rows.values() if one["status"] == "retyping")
    (driver,) = make_all(SETTINGS)
    again = await driver.connect(there.address())
    told = await again.copy_disk(place, there.second_pool(), spec, key=key)
    assert (rows[half]["volume_type"], rows[half]["status"]) == ("slow", "available")
    assert told == await again.find_disk(there.second_pool(), volume_id)
    await until(lambda: len(rows) == 2)
    await driver.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("schedule: Could not find any available weighted backend.", Unavailable),
        ("retype: the two types differ in their encryption", Refused),
    ],
)
async def test_a_retype_that_cinder_gives_up_ends_with_its_reason(
    there: OpenStackHarness, fault: str, kind: type[Exception]
) -> None:
    session = await there.connect()
    guest_id, volume_id = await running(there, session)
    row, target = row_of(there, volume_id), there.second_pool()
    old = {"resource_uuid": row["id"], "user_message": "long ago", "created_at": "2020-01-01T00:00"}
    there.region.messages.append(old)
    there.region.retype_fault = fault
    with pytest.raises(kind, match=fault):
        await session.move_disk(guest_id, volume_id, target, key=uuid4())
    assert (row["status"], row["volume_type"]) == ("in-use", "fast")
    there.region.faults = [Fault("GET", "/messages$", status=503)]
    with pytest.raises(Refused, match="left the volume of type fast; the logs of Cinder's"):
        await session.move_disk(guest_id, volume_id, target, key=uuid4())
    there.region.retype_fault = ""
    await session.move_disk(guest_id, volume_id, target, key=uuid4())
    assert await session.find_disk(target, volume_id) is not None
    await session.remove_guest(guest_id, key=uuid4())


@pytest.mark.parametrize("status", ["backing-up", "uploading", "maintenance", "error_extending"])
async def test_a_volume_that_is_busy_is_waited_for_or_refused_by_its_state(
    there: OpenStackHarness, status: str
) -> None:
    session = await there.connect()
    guest_id, volume_id = await running(there, session)
    row, target = row_of(there, volume_id), there.second_pool()
    row["status"] = status
    move = session.move_disk(guest_id, volume_id, target, key=uuid4())
    if status in ("maintenance", "error_extending"):
        with pytest.raises(Refused, match=f"volume is {status}"):
            await move
    else:
        moving = asyncio.create_task(move)
        asked = len(there.region.asked)
        await until(lambda: len(there.region.asked) > asked + 6)
        assert row["volume_type"] == "fast"
        row["status"] = "in-use"
        await moving
        assert row["volume_type"] == "slow"
    row["status"] = "in-use"
    await session.remove_guest(guest_id, key=uuid4())


async def test_a_volume_that_goes_while_it_moves_is_told(there: OpenStackHarness) -> None:
    session = await there.connect()
    guest_id, volume_id = await running(there, session)
    row = row_of(there, volume_id)
    row["status"] = "uploading"
    move = session.move_disk(guest_id, volume_id, there.second_pool(), key=uuid4())
    moving = asyncio.create_task(move)
    asked = len(there.region.asked)
    await until(lambda: len(there.region.asked) > asked + 6)
    del there.region.volumes[row["id"]]
    with pytest.raises(Unavailable, match="the volume is gone"):
        await moving


async def test_a_swap_whose_end_nova_never_wrote_holds_nothing_up(
    there: OpenStackHarness,
) -> None:
    """A compute service that was killed in a swap leaves an action that never ends."""
    (driver,) = make_all({"poll_s": "0.01", "task_s": "1", "call_s": "5"})
    session = await driver.connect(there.address())
    guest_id, volume_id = await running(there, await there.connect())
    (server,) = there.region.servers.values()
    event = {"event": "compute_swap_volume", "finish_time": None, "result": None}
    server["actions"].insert(0, action("swap_volume", events=[event]))
    there.region.faults = [Fault("GET", "/os-instance-actions/", status=503)]
    await session.move_disk(guest_id, volume_id, there.second_pool(), key=uuid4())
    assert row_of(there, volume_id)["volume_type"] == "slow"
    assert not there.region.faults
    await (await there.connect()).remove_guest(guest_id, key=uuid4())
    await driver.close()
