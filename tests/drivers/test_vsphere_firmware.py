"""What a UEFI guest's firmware remembers outlives its machine, in a vCenter's datastores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from drivers.conformance.checks import attachment
from drivers.contract.compute import GuestSpec
from drivers.contract.driver import HostSession
from drivers.contract.errors import DriverError
from drivers.contract.storage import DiskPlace, DiskSpec, PoolSpec
from tests.drivers.harness_vsphere import VsphereHarness, harness
from tests.guest.tiny import absent
from tests.peers import vcenter as peer

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
ENTRIES = b"boot from the second disk"


@pytest.fixture
async def there() -> AsyncIterator[VsphereHarness]:
    """One that fails if anything is left in a datastore."""
    if lacking := peer.missing():
        absent(f"there can be no vCenter: {lacking}")
    async with harness() as ready:
        assert isinstance(ready, VsphereHarness)
        yield ready


async def started(
    ready: VsphereHarness, session: HostSession, boot: str = "uefi"
) -> tuple[GuestSpec, UUID]:
    """A guest that runs, whose firmware has written something."""
    volume_id = uuid4()
    made = await session.create_disk(
        ready.pool(), DiskSpec(volume_id=volume_id, size_bytes=2**20), key=uuid4()
    )
    spec = replace(ready.guest(disks=(attachment(made, 0),)), boot=boot)
    await session.start_guest(spec, key=uuid4())
    (await memory(ready, spec)).write_bytes(ENTRIES)
    return spec, volume_id


async def memory(ready: VsphereHarness, spec: GuestSpec) -> Path:
    """The file that the firmware of a guest's machine writes to, as the vCenter names it."""
    machine = await asyncio.to_thread(ready.hand.of_guest, spec.guest_id)
    files = await asyncio.to_thread(lambda: machine.layoutEx.file)
    (named,) = (one.name for one in files if one.type == "nvram")
    return ready.file(named)


async def off(session: HostSession, spec: GuestSpec) -> None:
    await session.stop_guest(spec.guest_id, grace_s=0, key=uuid4())
    await session.remove_guest(spec.guest_id, key=uuid4())


async def test_boot_entries_outlive_a_stop_on_whichever_host(there: VsphereHarness) -> None:
    session = await there.connect()
    second = there.second_address()
    assert second is not None
    other = await there.driver.connect(second)
    spec, volume_id = await started(there, session)
    was = await memory(there, spec)
    await off(session, spec)
    assert not was.exists(), "it goes with its machine"
    for one in (other, session):
        await one.start_guest(spec, key=uuid4())
        assert (await memory(there, spec)).read_bytes() == ENTRIES
        await off(one, spec)
    await session.remove_disk(there.pool(), volume_id, key=uuid4())


async def test_boot_entries_follow_their_disk_to_another_pool(there: VsphereHarness) -> None:
    session = await there.connect()
    spec, volume_id = await started(there, session)
    await off(session, spec)
    source = DiskPlace(pool=there.pool(), disk_id=volume_id)
    disk = DiskSpec(volume_id=volume_id, size_bytes=2**20)
    moved = await session.copy_disk(source, there.second_pool(), disk, key=uuid4())
    await session.remove_disk(there.pool(), volume_id, key=uuid4())
    spec = replace(spec, disks=(attachment(moved, 0),))
    await session.start_guest(spec, key=uuid4())
    assert (await memory(there, spec)).read_bytes() == ENTRIES
    back = await session.move_disk(spec.guest_id, volume_id, there.pool(), key=uuid4())
    await off(session, spec)
    spec = replace(spec, disks=(attachment(back, 0),))
    await session.start_guest(spec, key=uuid4())
    assert (await memory(there, spec)).read_bytes() == ENTRIES, "it moved while it ran"
    await off(session, spec)
    await removed(session, volume_id, there.pool(), there.second_pool())


async def test_a_start_that_fails_forgets_nothing(there: VsphereHarness) -> None:
    """Its machine is cleared away, as ESXi refuses a disk that another guest has."""
    session = await there.connect()
    spec, volume_id = await started(there, session)
    await off(session, spec)
    rival, taken = await started(there, session)
    both = replace(spec, disks=(*spec.disks, replace(rival.disks[0], device=1)))
    with pytest.raises(DriverError, match="FileLocked"):
        await session.start_guest(both, key=uuid4())
    await off(session, rival)
    await session.start_guest(spec, key=uuid4())
    assert (await memory(there, spec)).read_bytes() == ENTRIES
    await off(session, spec)
    await removed(session, volume_id, there.pool())
    await removed(session, taken, there.pool())


async def test_a_bios_guest_keeps_nothing(there: VsphereHarness) -> None:
    session = await there.connect()
    spec, volume_id = await started(there, session, boot="bios")
    await off(session, spec)
    (path,) = (one.path for one in await session.list_disks(there.pool()))
    assert [one.name for one in there.file(path).parent.glob("*.nvram*")] == []
    await session.remove_disk(there.pool(), volume_id, key=uuid4())


async def removed(session: HostSession, volume_id: UUID, *pools: PoolSpec) -> None:
    for pool in pools:
        await session.remove_disk(pool, volume_id, key=uuid4())
