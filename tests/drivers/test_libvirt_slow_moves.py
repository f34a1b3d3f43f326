"""A host that takes its time over a move whose caller has gone: the disk is never without a file.

What was cancelled may still begin, or change over, in a thread. Cleaning up before that has ended
took the file away from under the copy, and the guest went on from one that had no name.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import libvirt
import pytest

from drivers.conformance.checks import Check, Rig, must
from drivers.contract.errors import DriverError
from drivers.contract.storage import PoolSpec
from drivers.libvirt.disks import Disks
from tests.drivers import harness_libvirt
from tests.guest.tiny import absent

pytestmark = pytest.mark.real
LATE_S, SIZE_BYTES = 1.0, 8 * 1024**2


@pytest.mark.parametrize("verb", ["blockCopy", "blockJobAbort"])
async def test_a_cancelled_move_may_be_late(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if lacking := harness_libvirt.missing():
        absent(lacking)
    real, entered = getattr(libvirt.virDomain, verb), threading.Event()

    def late(domain: Any, *words: Any) -> Any:
        entered.set()
        time.sleep(LATE_S)
        return real(domain, *words)

    async def body(rig: Rig) -> None:
        disk, second = await rig.disk(size_bytes=SIZE_BYTES, blank=True), rig.harness.second_pool()
        await rig.harness.write(disk.path, 7)
        volume_id, key = disk.volume_id, uuid4()
        assert volume_id is not None
        spec = await rig.start(rig.spec_on(await rig.disk(), disk))

        async def move() -> None:
            with suppress(DriverError):
                await rig.session.move_disk(spec.guest_id, volume_id, second, key=key)

        async with asyncio.TaskGroup() as group:
            task = group.create_task(move())
            must(await asyncio.to_thread(entered.wait, 60), f"{verb} was never called")
            task.cancel()
        told = await rig.until_known(
            lambda: rig.session.move_disk(spec.guest_id, volume_id, second, key=key)
        )
        await rig.within(rig.session.remove_guest(spec.guest_id, key=uuid4()))
        assert await rig.harness.read(told.path) == 7

    clean_up = Disks.abandon

    async def abandon(disks: Disks, pool: PoolSpec, volume_id: UUID) -> None:
        await asyncio.sleep(2 * LATE_S)  # The host is as slow with the clean-up.
        await clean_up(disks, pool, volume_id)

    monkeypatch.setattr(libvirt.virDomain, verb, late)
    monkeypatch.setattr(Disks, "abandon", abandon)
    async with harness_libvirt.harness() as ready:
        assert not await Check(verb, "a late move loses nothing", body).run(ready)
