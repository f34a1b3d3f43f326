"""The driver's Xen on a real one: what libxl does, and how guests are known there."""

from __future__ import annotations

import os
from dataclasses import replace
from uuid import uuid4

import pytest

from drivers.contract.compute import GuestSpec, HostAddress, Power
from drivers.contract.errors import Refused
from drivers.libvirt.driver import make
from tests.drivers.harness_libvirt import guest_spec, tiny
from tests.peers import xen as peer

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(1200)]

SETTINGS = {
    "local_hosts": ["127.0.0.1"],
    "xen_kernel": peer.KERNEL,
    "xen_initrd": peer.INITRD,
    "connect_s": 60.0,
    "verb_s": 120.0,
    "reboot_s": 2.0,
}


def host() -> peer.XenHost:
    if lacking := peer.missing():
        if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
            pytest.fail(f"no Xen host here: {lacking}")
        pytest.skip(f"NOT TESTED: no Xen host here: {lacking}")
    return peer.xen_host(tiny())


def spec() -> GuestSpec:
    return replace(guest_spec(memory_mib=128), name="para")


async def test_a_guest_of_xen_lives_and_leaves_nothing() -> None:
    driver = make(SETTINGS, "Xen")
    session = await driver.connect(HostAddress(url=host().uri))
    try:
        facts = await session.inspect()
        assert facts.hypervisor_version == "4.17.0"
        assert facts.cpu_count == 1 and facts.memory_bytes > 2**30
        asked, key = spec(), uuid4()
        for _ in range(2):
            started = await session.start_guest(asked, key=key)
            assert (started.guest_id, started.power) == (asked.guest_id, Power.RUNNING)
        listed = [one for one in await session.list_guests() if one.guest_id == asked.guest_id]
        assert len(listed) == 1 and (listed[0].key, listed[0].name) == (key, "para")
        stats = {one.guest_id: one for one in await session.guest_stats()}
        assert stats[asked.guest_id].memory_used_bytes > 0
        assert (await session.console(asked.guest_id)).serial_device
        again = uuid4()
        for _ in range(2):
            await session.reboot_guest(asked.guest_id, force=True, key=again)
        found = await session.find_guest(asked.guest_id)
        assert found is not None and found.power is Power.RUNNING
        await session.stop_guest(asked.guest_id, grace_s=0, key=uuid4())
        assert await session.find_guest(asked.guest_id) is None
        for _ in range(2):
            await session.remove_guest(asked.guest_id, key=uuid4())
        assert all(one.guest_id != asked.guest_id for one in await session.list_guests())
        with pytest.raises(Refused, match="was never tried"):
            await session.migrate_guest(asked.guest_id, HostAddress(url=host().uri), key=uuid4())
        with pytest.raises(Refused, match="MiB"):
            await session.start_guest(replace(spec(), memory_mib=2**20), key=uuid4())
    finally:
        await driver.close()
