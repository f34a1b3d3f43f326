"""What the contract's checks do not ask: a guest that really boots, and hosts that misbehave."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import libvirt
import libvirt_qemu
import pytest

from drivers.contract.compute import DiskAttachment, GuestSpec, HostAddress, NicSpec
from drivers.contract.driver import HostSession
from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.contract.storage import DiskSpec, DiskStatus, ImageSource, PoolSpec
from drivers.libvirt.driver import make
from guest.build import READY
from tests.drivers import harness_libvirt as bench
from tests.peers import libvirt as peer

pytestmark = pytest.mark.real

MIB = 1024**2
BOOT_S = 180.0


class Overheard:
    """libvirt's module in C, and which thread called what of it."""

    def __init__(self, module: Any, calls: list[tuple[int, str]]) -> None:
        self._module, self._calls = module, calls

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._module, name)

        def call(*arguments: Any) -> Any:
            self._calls.append((threading.get_ident(), name))
            return asked(*arguments)

        return call if callable(asked) else asked


@dataclass
class Bench:
    """A session with the first host and a pool of the test's own."""

    hosts: peer.LibvirtPair
    session: HostSession
    pool: PoolSpec
    folder: Path

    def image(self, **changes: object) -> ImageSource:
        source = ImageSource(
            image_id=uuid4(),
            path=str(bench.tiny().disk),
            image_format="qcow2",
            virtual_bytes=bench.IMAGE_BYTES,
        )
        return replace(source, **changes)  # type: ignore[arg-type]

    async def disk(
        self, image: ImageSource | None = None, *, size_bytes: int = bench.IMAGE_BYTES
    ) -> DiskStatus:
        spec = DiskSpec(volume_id=uuid4(), size_bytes=size_bytes, image=image)
        return await self.session.create_disk(self.pool, spec, key=uuid4())

    async def start(self, spec: GuestSpec | None = None) -> GuestSpec:
        if spec is None:
            spec = bench.guest_spec(disks=[attached(await self.disk(self.image()))])
        await self.session.start_guest(spec, key=uuid4())
        return spec

    async def serial(self, guest_id: UUID, words: str, *, times: int = 1) -> str:
        """The serial log once it holds `words` so many times."""
        log = Path((await self.session.console(guest_id)).serial_log)
        async with asyncio.timeout(BOOT_S):
            while True:
                said = await asyncio.to_thread(log.read_text, errors="replace")
                if said.count(words) >= times:
                    return said
                await asyncio.sleep(0.1)


def attached(disk: DiskStatus, device: int = 0) -> DiskAttachment:
    assert disk.volume_id is not None
    return DiskAttachment(volume_id=disk.volume_id, path=disk.path, device=device)


@asynccontextmanager
async def workbench(folder: Path, **settings: object) -> AsyncIterator[Bench]:
    if lacking := bench.missing():
        if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
            pytest.fail(f"no libvirt hosts here: {lacking}")
        pytest.skip(f"NOT TESTED: no libvirt hosts here: {lacking}")
    hosts = peer.pair()
    driver = make({**bench.settings(hosts), "log_dir": str(folder / "serial"), **settings})
    pool = PoolSpec(pool_id=uuid4(), url=f"file://{folder}/pool")
    session = await driver.connect(HostAddress(url=hosts.first.uri))
    await session.open_pool(pool)
    try:
        yield Bench(hosts, session, pool, folder)
    finally:
        for guest in await session.list_guests():
            if guest.guest_id is not None:
                await session.remove_guest(guest.guest_id, key=uuid4())
        await driver.close()


async def test_a_guest_boots_reboots_and_powers_off(tmp_path: Path) -> None:
    """It says so on its serial line; a retried reboot is one; nothing stays on the host."""
    async with workbench(tmp_path) as work:
        card = NicSpec(nic_id=uuid4(), mac="52:54:00:11:22:33", bridge="br0")
        spec = bench.guest_spec(disks=[attached(await work.disk(work.image()))], nics=[card])
        spec = await work.start(replace(spec, user_data="#!/bin/sh\necho 'a, b' & <c>\n"))
        await work.serial(spec.guest_id, READY)
        key = uuid4()
        for _ in range(2):
            await work.session.reboot_guest(spec.guest_id, force=False, key=key)
        said = await work.serial(spec.guest_id, READY, times=2)
        assert said.count(READY) == 2
        stats = {one.guest_id: one for one in await work.session.guest_stats()}[spec.guest_id]
        assert stats.cpu_time_ns > 0
        assert stats.disk_read_bytes > MIB
        (own,) = stats.disks
        assert own.volume_id == spec.disks[0].volume_id
        assert own.read_bytes > MIB and own.reads > 0
        assert stats.memory_used_bytes > 16 * MIB
        began = time.monotonic()
        await work.session.stop_guest(spec.guest_id, grace_s=BOOT_S, key=uuid4())
        assert time.monotonic() - began < BOOT_S, "it did not heed its power button"
        assert await work.session.list_guests() == []
        await work.session.remove_guest(spec.guest_id, key=uuid4())
        assert not list((tmp_path / "serial").iterdir())


async def test_a_disk_of_a_running_guest_grows_and_discs_change(tmp_path: Path) -> None:
    async with workbench(tmp_path) as work:
        root = await work.disk(work.image())
        assert root.volume_id is not None
        spec = await work.start(bench.guest_spec(disks=[attached(root)]))
        grown = await work.session.resize_disk(
            work.pool, root.volume_id, size_bytes=96 * MIB, key=uuid4()
        )
        assert grown.size_bytes == 96 * MIB
        iso = tmp_path / f"{uuid4()}.iso"
        iso.write_bytes(bytes(64 * 1024))
        disc = DiskAttachment(
            volume_id=UUID(iso.stem), path=str(iso), device=3, image_format="raw", is_cdrom=True
        )
        for _ in range(2):
            await work.session.attach_disk(spec.guest_id, disc, key=uuid4())
        found = await work.session.find_guest(spec.guest_id)
        assert found is not None
        assert str(iso) in found.disks
        for _ in range(2):
            await work.session.detach_disk(spec.guest_id, disc.volume_id, key=uuid4())
        found = await work.session.find_guest(spec.guest_id)
        assert found is not None
        assert str(iso) not in found.disks


async def test_an_image_that_draws_on_other_files_is_refused(tmp_path: Path) -> None:
    """A guest would read the host's files through it."""
    async with workbench(tmp_path) as work:
        secret = tmp_path / "secret"
        secret.write_bytes(bytes(MIB))
        child, outside = tmp_path / "child.qcow2", tmp_path / "outside.qcow2"
        await _qemu_img("create", "-qfqcow2", "-Fraw", "-b", str(secret), str(child))
        option = f"data_file={tmp_path}/data,data_file_raw=on"
        await _qemu_img("create", "-qfqcow2", "-o", option, str(outside), "1M")
        for path, words in ((child, "a backing file"), (outside, "an external data file")):
            with pytest.raises(Refused, match=words):
                await work.disk(work.image(path=str(path)))
        with pytest.raises(Refused, match="'vmdk'"):
            await work.disk(work.image(image_format="vmdk"))
        assert await work.session.list_disks(work.pool) == []
        assert not list((tmp_path / "pool" / ".incoming").iterdir())


async def test_a_raw_image_is_taken_for_what_it_is_said_to_be(tmp_path: Path) -> None:
    """A raw image whose first bytes are a qcow2 header is not followed to another file."""
    async with workbench(tmp_path) as work:
        secret, child = tmp_path / "secret", tmp_path / "child"
        secret.write_bytes(b"secret" * 1000)
        await _qemu_img("create", "-qfqcow2", "-Fraw", "-b", str(secret), str(child))
        disk = await work.disk(work.image(path=str(child), image_format="raw"), size_bytes=16 * MIB)
        out = tmp_path / "out"
        await _qemu_img("convert", "-Oraw", disk.path, str(out))
        data = out.read_bytes()
        assert data.startswith(b"QFI\xfb")
        assert b"secret" * 100 not in data


async def test_a_full_pool_is_unavailable_and_tells_what_is_free(tmp_path: Path) -> None:
    async with workbench(tmp_path) as work:
        small = tmp_path / "small"
        small.mkdir()
        await _mount("-t", "tmpfs", "-o", "size=24m", "tmpfs", str(small))
        try:
            pool = PoolSpec(pool_id=uuid4(), url=f"file://{small}")
            await work.session.open_pool(pool)
            (small / "ballast").write_bytes(bytes(6 * MIB))
            spec = DiskSpec(volume_id=uuid4(), size_bytes=20 * MIB, image=work.image())
            spec = replace(spec, image=work.image(path=_random(tmp_path), image_format="raw"))
            with pytest.raises(Unavailable, match=r"\d+ bytes free"):
                await work.session.create_disk(pool, spec, key=uuid4())
            assert [disk.volume_id for disk in await work.session.list_disks(pool)] == [None]
            assert not list((small / ".incoming").iterdir())
        finally:
            await _unmount(small)


async def test_a_mount_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """It must not become a local folder under the mount point's name."""
    async with workbench(tmp_path) as work:
        pool = PoolSpec(pool_id=uuid4(), url=f"SharedMountPoint://{tmp_path}/not-mounted")
        for verb in (
            work.session.open_pool(pool),
            work.session.pool_facts(pool),
            work.session.list_disks(pool),
            work.session.remove_disk(pool, uuid4(), key=uuid4()),
        ):
            with pytest.raises(Unavailable):
                await verb
        assert not (tmp_path / "not-mounted").exists()


async def test_a_disk_that_another_host_uses_stays(tmp_path: Path) -> None:
    async with workbench(tmp_path) as work, workbench(tmp_path) as other:
        second = await make(bench.settings(work.hosts)).connect(
            HostAddress(url=work.hosts.second.uri)
        )
        disk = await work.disk(work.image())
        assert disk.volume_id is not None
        spec = bench.guest_spec(disks=[attached(disk)])
        await second.start_guest(spec, key=uuid4())
        try:
            with pytest.raises(Refused, match="in use"):
                await other.session.remove_disk(work.pool, disk.volume_id, key=uuid4())
            with pytest.raises(Refused, match="lock"):  # two writers would destroy it
                await work.session.start_guest(replace(spec, guest_id=uuid4()), key=uuid4())
        finally:
            await second.remove_guest(spec.guest_id, key=uuid4())
            await second.close()
        await work.session.remove_disk(work.pool, disk.volume_id, key=uuid4())


async def test_the_loop_never_waits_for_libvirt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight guests live and die side by side, and the loop's thread makes no call into libvirt.

    But for what only lets go of libvirt's own memory, wherever Python happens to free the object.
    """
    calls: list[tuple[int, str]] = []
    monkeypatch.setattr(libvirt, "libvirtmod", Overheard(libvirt.libvirtmod, calls))
    monkeypatch.setattr(
        libvirt_qemu, "libvirtmod_qemu", Overheard(libvirt_qemu.libvirtmod_qemu, calls)
    )
    async with workbench(tmp_path) as work:
        image = work.image()

        async def live() -> None:
            spec = await work.start(bench.guest_spec(disks=[attached(await work.disk(image))]))
            await work.session.list_guests()
            await work.session.guest_stats()
            await work.session.host_stats()
            await work.session.stop_guest(spec.guest_id, grace_s=0, key=uuid4())

        async with asyncio.TaskGroup() as lives:
            for _ in range(8):
                lives.create_task(live())
    assert sum(name == "virDomainDestroyFlags" for _, name in calls) >= 8, "nothing was overheard"
    on_loop = {name for thread, name in calls if thread == threading.get_ident()}
    assert not {name for name in on_loop if not name.endswith("Free")}


async def test_a_libvirt_that_hangs_is_given_up_and_found_again(tmp_path: Path) -> None:
    """Late answers are Unavailable for questions and Unknown for changes, within their time."""
    async with workbench(tmp_path, verb_s=1.5, connect_s=1.5) as work:
        spec = bench.guest_spec(disks=[attached(await work.disk(work.image()))])
        await work.session.inspect()
        daemon = _libvirtd(work.hosts.first)
        os.kill(daemon, signal.SIGSTOP)
        try:
            key = uuid4()
            with pytest.raises(Unknown, match="no answer"):
                await work.session.start_guest(spec, key=key)
            with pytest.raises(Unavailable):
                await work.session.list_guests()
        finally:
            os.kill(daemon, signal.SIGCONT)
        async with asyncio.timeout(30):
            while True:
                with suppress(Unavailable, Unknown):
                    await work.session.start_guest(spec, key=key)
                    break
                await asyncio.sleep(0.1)
        assert [guest.guest_id for guest in await work.session.list_guests()] == [spec.guest_id]


async def test_acceleration_is_believed_when_a_guest_has_booted(tmp_path: Path) -> None:
    """Where KVM hangs, the probe says so in time and once; where it works, guests use it."""
    tiny, state = bench.tiny(), tmp_path / "state.json"
    probe = {
        "acceleration": "auto",
        "probe_kernel": str(tiny.kernel),
        "probe_initrd": str(tiny.initramfs),
        "state": str(state),
    }
    async with workbench(tmp_path, **probe) as work:
        facts = await work.session.inspect()
        print(facts.detail)
        assert ("KVM: a probe guest booted" in facts.detail) is facts.accelerated
        assert facts.accelerated or facts.detail.startswith("emulation: ")
    nothing = str(tmp_path / "nothing")
    async with workbench(tmp_path, **probe | {"probe_kernel": nothing}) as work:
        assert await work.session.inspect() == facts, "it was tried again"
    async with workbench(tmp_path, acceleration="auto") as work:
        unprobed = await work.session.inspect()
        assert (unprobed.accelerated, "no probe kernel" in unprobed.detail) == (False, True)


def _random(folder: Path) -> str:
    """Twenty MiB that no format makes smaller."""
    path = folder / "noise"
    path.write_bytes(os.urandom(20 * MIB))
    return str(path)


async def _qemu_img(*arguments: str) -> None:
    await _run("qemu-img", *arguments)


async def _mount(*arguments: str) -> None:
    await _run("mount", *arguments)


async def _unmount(folder: Path) -> None:
    await _run("umount", str(folder))


async def _run(*argv: str) -> str:
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0, argv
    return said.decode()


def _libvirtd(host: peer.LibvirtHost) -> int:
    """The daemon's pid as we see it: the host's own pid file counts in another namespace."""
    children = Path(f"/proc/{host.pid}/task/{host.pid}/children").read_text().split()
    for pid in map(int, children):
        if Path(f"/proc/{pid}/comm").read_text().strip() == "libvirtd":
            return pid
    raise AssertionError("no libvirtd")
