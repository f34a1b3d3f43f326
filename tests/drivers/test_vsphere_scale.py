"""A vCenter with many machines: one question for all of them, one wait for all tasks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from drivers.contract.storage import DiskSpec
from drivers.vsphere.driver import VsphereDriver
from drivers.vsphere.session import VsphereSession
from drivers.vsphere.settings import Settings
from tests.drivers.harness_vsphere import address, pool
from tests.guest.tiny import absent
from tests.peers import vcenter as peer

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
MACHINES, PAGE, DISKS = 1000, 200, 12


def present() -> None:
    if lacking := peer.missing():
        absent(f"there can be no vCenter: {lacking}")


class Calls(Counter[str]):
    """What was called at the vCenter, by the names of its methods."""

    def watch(self, stub: Any) -> None:
        invoke = stub.InvokeMethod

        def counted(managed: Any, info: Any, *rest: Any) -> Any:
            self[info.wsdlName] += 1
            return invoke(managed, info, *rest)

        stub.InvokeMethod = counted


@asynccontextmanager
async def watched(vcenter: peer.VcenterPeer) -> AsyncIterator[tuple[VsphereSession, Calls]]:
    driver, calls = VsphereDriver(Settings(page=PAGE)), Calls()
    try:
        session = await driver.connect(address(vcenter.url(peer.HOSTS[0])))
        assert isinstance(session, VsphereSession)
        calls.watch(session.vcenter.stub)
        yield session, calls
    finally:
        await driver.close()


@pytest.mark.long
async def test_a_thousand_machines_are_one_question() -> None:
    """The answer comes in pages; nothing is asked of any single machine."""
    present()
    with peer.running(machines=MACHINES) as vcenter:
        driver = VsphereDriver(Settings(page=PAGE))
        other = await driver.connect(address(vcenter.url(peer.HOSTS[1])))
        theirs = await other.list_guests()
        await driver.close()
        async with watched(vcenter) as (session, calls):
            mine = await session.list_guests()
    assert len({one.name for one in (*mine, *theirs)}) == MACHINES
    assert len(mine) > PAGE
    pages = -(-len(mine) // PAGE)
    calls.pop("Logout", None)  # The session that was closed may still be saying goodbye.
    assert calls == {"RetrievePropertiesEx": 1, "ContinueRetrievePropertiesEx": pages - 1}


async def test_all_tasks_are_waited_for_together() -> None:
    """A collector is made once, and no task is asked for its state."""
    present()
    at = pool(0)
    async with watched(peer.shared()) as (session, calls):
        await session.open_pool(at)
        made = [DiskSpec(volume_id=uuid4(), size_bytes=2**20) for _ in range(DISKS)]
        async with asyncio.TaskGroup() as group:
            for spec in made:
                group.create_task(session.create_disk(at, spec, key=uuid4()), name="create")
        tasks = sum(number for name, number in calls.items() if name.endswith("_Task"))
        assert tasks >= 4 * DISKS
        assert calls["CreateFilter"] == 1
        assert calls["WaitForUpdatesEx"] < tasks
        asked = calls["RetrievePropertiesEx"] + calls["RetrieveProperties"] + calls["Fetch"]
        assert asked < tasks, f"tasks were asked for, one by one: {calls}"
        for spec in made:
            await session.remove_disk(at, spec.volume_id, key=uuid4())
