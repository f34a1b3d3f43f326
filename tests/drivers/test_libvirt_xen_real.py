"""The driver's Xen on a real one: what libxl does, and how guests are known there.

Each promise of the contract is checked at the end of SSH, where the host's files are.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

import asyncssh
import pytest

from drivers.conformance import Check, compute_checks, storage_checks
from drivers.conformance.usual import Usual
from drivers.contract.compute import GuestSpec, HostAddress, NicSpec, Power
from drivers.contract.driver import HostSession
from drivers.contract.errors import Refused
from drivers.contract.hooks import HookStage
from drivers.contract.storage import ImageSource, PoolSpec
from drivers.libvirt.driver import make
from tests.drivers.harness_libvirt import guest_spec, tool
from tests.peers import xen as peer

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(1800)]

SETTINGS = {
    "xen_kernel": peer.KERNEL,
    "xen_initrd": peer.INITRD,
    "connect_s": 60.0,
    "silence_s": 120.0,
    "verb_s": 240.0,
    "reboot_s": 2.0,
}
# Those of all promises that show each verb once: an emulated Xen takes half a minute for each, and
# two for those with a guest.
SHOWN = {
    *("disk_hot_plug", "nic_hot_plug", "snapshot_of_a_running_guest", "blank_disk_has_its_size"),
    *("an_image_stays_while_a_disk_rests_on_it", "listing_names_disks_only", "disk_grows"),
    *("snapshot_twice_is_once", "revert_brings_back", "copy_stands_alone", "export_and_import"),
    *("migration_leaves_one_copy", "migration_of_what_is_off_is_refused"),
    "scripts_run_once_and_how_they_end_is_told",
}
CHECKS = [one for one in (*compute_checks(), *storage_checks()) if one.name in SHOWN]
IMAGE_BYTES = 8 * 1024**2
MARK_AT = 1024**2
# Not those of other tests: hosts are one run's, whichever tests it has.
POOLS = (f"{peer.SHARED}/bench", f"{peer.SHARED}/bench/second")
HOOKS = "/tmp/hooks"


def pair() -> tuple[peer.XenHost, peer.XenHost]:
    if lacking := peer.missing():
        if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
            pytest.fail(f"no Xen host here: {lacking}")
        pytest.skip(f"NOT TESTED: no Xen host here: {lacking}")
    return peer.xen_pair()


def by_libvirt(host: peer.XenHost) -> HostAddress:
    return HostAddress(url=host.uri, private_key=host.key)


def spec() -> GuestSpec:
    return replace(guest_spec(memory_mib=128), name="para")


async def test_a_guest_of_xen_lives_and_leaves_nothing() -> None:
    driver = make(SETTINGS, "Xen")
    host, other = pair()
    session = await driver.connect(by_libvirt(host))
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
        whole = await session.host_stats()
        assert whole.memory_used_bytes > 2**29 and whole.cpu_used_percent > 0
        assert (await session.console(asked.guest_id)).serial_device
        again = uuid4()
        for _ in range(2):
            await session.reboot_guest(asked.guest_id, force=True, key=again)
        found = await session.find_guest(asked.guest_id)
        assert found is not None and found.power is Power.RUNNING
        by_ssh = HostAddress(url=other.by_ssh, private_key=other.key)
        with pytest.raises(Refused, match=r"add both hosts by xen\+tls"):
            await session.migrate_guest(asked.guest_id, by_ssh, key=uuid4())
        found = await session.find_guest(asked.guest_id)
        assert found is not None and found.power is Power.RUNNING
        await session.stop_guest(asked.guest_id, grace_s=0, key=uuid4())
        assert await session.find_guest(asked.guest_id) is None
        for _ in range(2):
            await session.remove_guest(asked.guest_id, key=uuid4())
        assert all(one.guest_id != asked.guest_id for one in await session.list_guests())
        with pytest.raises(Refused, match="MiB"):
            await session.start_guest(replace(spec(), memory_mib=2**20), key=uuid4())
    finally:
        await driver.close()


class XenHarness(Usual):
    """Files are looked at through a line of its own. What a guest writes is in its file at once."""

    name = "libvirt, Xen"
    verb_s = 300.0
    settle_s = 90.0
    grace_s = 0.0
    too_large_mib = 2**20

    def __init__(
        self,
        hosts: tuple[peer.XenHost, peer.XenHost],
        line: asyncssh.SSHClientConnection,
        folder: str,
    ) -> None:
        self._hosts, self._line, self._folder = hosts, line, folder
        urls = [f"SharedMountPoint://{path}" for path in POOLS]
        self.pools = [PoolSpec(pool_id=uuid4(), url=url) for url in urls]
        self._numbers = count(1)
        settings = {**SETTINGS, "unplug_s": 90.0, "state": f"{folder}/state"}
        self.driver = make(settings, "Xen")

    def address(self) -> HostAddress:
        return HostAddress(url=self._hosts[0].by_ssh, private_key=self._hosts[0].key)

    def wrong_address(self) -> HostAddress:
        return HostAddress(url="xen+ssh://root@127.0.0.1:9/system", private_key=self._hosts[0].key)

    def second_address(self) -> HostAddress | None:
        return by_libvirt(self._hosts[1])

    def image(self) -> ImageSource:
        path = Path(self._folder, "image.raw")
        if not path.exists():
            path.write_bytes(b"\x2a" * 4096)
            os.truncate(path, IMAGE_BYTES)
        return ImageSource(
            image_id=UUID(int=0xE4), path=str(path), image_format="raw", virtual_bytes=IMAGE_BYTES
        )

    def scratch(self) -> str:
        return f"{self._folder}/image-{uuid4().hex}"

    async def write(self, path: str, byte: int) -> None:
        one = f"printf '\\{byte:03o}' | dd of={path} bs=1 seek={MARK_AT} conv=notrunc"
        await self._line.run(one, check=True)

    async def read(self, path: str) -> int:
        if path.startswith(self._folder):
            said = await tool("qemu-io", "-r", "-f", "qcow2", "-c", "read -v 1M 16", path)
            return int(said.split()[1], 16)
        done = await self._line.run(f"od -An -tu1 -j{MARK_AT} -N1 {path}", check=True)
        return int(str(done.stdout))

    def nic(self) -> NicSpec:
        mac = f"00:16:3e:00:00:{next(self._numbers):02x}"
        return NicSpec(nic_id=uuid4(), mac=mac, bridge=peer.BRIDGE)

    async def hook(self, stage: HookStage, status: int | None) -> str:
        """The script is written, or taken away, where the host is."""
        script = f"{HOOKS}/{stage}.sh"
        text = f'#!/bin/sh\nprintf x >>{HOOKS}/{stage}.ran\necho "it ran: $*"; exit {status}\n'
        made = f"mkdir -p {HOOKS}; cat >{script}; chmod 755 {script}"
        command = f"rm -f {script}" if status is None else made
        await self._line.run(command, input=text, check=True)
        return HOOKS

    async def hook_runs(self, stage: HookStage) -> int:
        done = await self._line.run(f"cat {HOOKS}/{stage}.ran 2>/dev/null")
        return len(str(done.stdout))

    async def add_stranger(self) -> str | None:
        return None

    async def disconnect(self, session: HostSession) -> bool:
        return False

    async def close(self) -> None:
        await self.driver.close()


@asynccontextmanager
async def harness() -> AsyncIterator[XenHarness]:
    """What a check leaves on the host is the check's own fault."""
    hosts = there, other = pair()
    for pool in POOLS:
        at = there.shared / Path(pool).relative_to(peer.SHARED)
        at.mkdir(parents=True, exist_ok=True)
    key = asyncssh.import_private_key(there.key)
    with tempfile.TemporaryDirectory(prefix="sagastack-xen-") as folder:
        async with asyncssh.connect(
            there.address, username="root", client_keys=[key], known_hosts=None, config=None
        ) as line:
            ready = XenHarness(hosts, line, folder)
            try:
                yield ready
            finally:
                await ready.close()
            files = await line.run(f"find {POOLS[0]} -name '*.raw' ! -path '*/images/*'")
            left = [*there.domains(), *other.domains(), *str(files.stdout).split()]
            assert not left, f"left over: {left}"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
async def test_xen_keeps_its_promise(check: Check) -> None:
    async with harness() as ready:
        assert await check.run(ready) == "", "nothing of these is exempt"
