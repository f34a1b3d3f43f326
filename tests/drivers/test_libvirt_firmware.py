"""Guests that start by UEFI, and with a TPM, for real: what these remember stays with the disk."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest

from drivers.contract.compute import DiskMove, GuestSpec, HostAddress
from drivers.contract.errors import Refused
from drivers.contract.hardware import Hardware
from drivers.contract.storage import DiskPlace, DiskSpec, DiskStatus, PoolSpec
from drivers.libvirt.driver import make
from guest.build import READY
from tests.drivers import harness_libvirt as bench
from tests.drivers.test_libvirt_real import Bench, attached, workbench
from tests.guest import efi

pytestmark = pytest.mark.real


def needed(*programs: str) -> None:
    if lacking := efi.lacking(*programs):
        if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
            pytest.fail(f"SAGASTACK_REQUIRE_PEERS=1, but there is no {lacking}")
        pytest.skip(f"NOT TESTED: there is no {lacking}")


async def uefi_spec(work: Bench, boot: str = "uefi") -> tuple[GuestSpec, DiskStatus]:
    path = await asyncio.to_thread(efi.efi_disk, bench.tiny(), work.folder)
    disk = await work.disk(work.image(path=str(path)))
    spec = bench.guest_spec(disks=[attached(disk)], memory_mib=efi.MEMORY_MIB)
    return replace(spec, boot=boot), disk


def kept(folder: Path, disk: DiskStatus) -> set[str]:
    return {one.suffix for one in (folder / "pool" / ".firmware").glob(f"{disk.volume_id}.*")}


async def xml_of(work: Bench, spec: GuestSpec) -> ET.Element:
    return ET.fromstring(await bench.virsh(work.hosts.first, "dumpxml", str(spec.guest_id)))


async def test_a_guest_boots_by_uefi_and_its_settings_stay_with_its_disk(tmp_path: Path) -> None:
    needed()
    async with workbench(tmp_path) as work:
        spec, disk = await uefi_spec(work)
        await work.start(spec)
        await work.serial(spec.guest_id, READY)
        nvram = tmp_path / "pool" / ".firmware" / f"{disk.volume_id}.fd"
        written = await asyncio.to_thread(nvram.read_bytes)
        root = await xml_of(work, spec)
        assert root.findtext("os/nvram") == str(nvram)
        channel = root.find("devices/channel/target[@name='org.qemu.guest_agent.0']")
        assert channel is not None and channel.get("state") == "disconnected"
        with pytest.raises(Refused, match="UEFI"):
            held = (attached(disk),)
            await work.session.snapshot_guest(
                spec.guest_id, uuid4(), held, with_memory=True, key=uuid4()
            )
        await work.session.remove_guest(spec.guest_id, key=uuid4())
        assert kept(tmp_path, disk) == {".fd"}, "the disk remembers how its guest boots"
        assert await asyncio.to_thread(nvram.read_bytes) == written
        other = PoolSpec(pool_id=uuid4(), url=f"file://{tmp_path}/other")
        await work.session.open_pool(other)
        assert disk.volume_id is not None
        place = DiskPlace(pool=work.pool, disk_id=disk.volume_id)
        same = DiskSpec(volume_id=disk.volume_id, size_bytes=disk.size_bytes)
        moved = await work.session.copy_disk(place, other, same, key=uuid4())
        await work.session.remove_disk(work.pool, disk.volume_id, key=uuid4())
        assert kept(tmp_path, disk) == set()
        copy = tmp_path / "other" / ".firmware" / f"{disk.volume_id}.fd"
        assert await asyncio.to_thread(copy.read_bytes) == written
        await work.session.remove_disk(other, disk.volume_id, key=uuid4())
        assert moved.path and not copy.exists()


async def test_secure_boot_starts_nothing_unsigned(tmp_path: Path) -> None:
    """The tiny guest is not signed: what boots without secure boot does not boot with it."""
    needed()
    async with workbench(tmp_path) as work:
        spec, _ = await uefi_spec(work, "uefi-secure")
        await work.start(spec)
        root = await xml_of(work, spec)
        loader = root.find("os/loader")
        assert loader is not None and loader.get("secure") == "yes"
        smm = root.find("features/smm")
        assert smm is not None and smm.get("state") == "on"
        assert "secboot" in (loader.text or "") or ".ms." in (loader.text or "")
        log = Path((await work.session.console(spec.guest_id)).serial_log)
        async with asyncio.timeout(60):
            said = ""
            while not any(words in said for words in ("BdsDxe", "Shell>", READY)):
                await asyncio.sleep(0.2)
                said = await asyncio.to_thread(log.read_text, errors="replace")
        assert READY not in said


@pytest.mark.long
async def test_a_uefi_guest_moves_to_another_host(tmp_path: Path) -> None:
    """With its disk to another pool: what its firmware remembers is beside the copy."""
    needed()
    async with workbench(tmp_path) as work:
        spec, disk = await uefi_spec(work)
        await work.start(spec)
        await work.serial(spec.guest_id, READY)
        driver = make({**bench.settings(work.hosts), "log_dir": str(tmp_path / "serial")})
        address = HostAddress(url=work.hosts.second.uri)
        target = await driver.connect(address)
        other = PoolSpec(pool_id=uuid4(), url=f"file://{tmp_path}/there")
        assert disk.volume_id is not None
        move = DiskMove(volume_id=disk.volume_id, pool=other, size_bytes=disk.size_bytes)
        try:
            await work.session.migrate_guest(spec.guest_id, address, key=uuid4(), moves=(move,))
            assert (tmp_path / "there" / ".firmware" / f"{disk.volume_id}.fd").exists()
            said = await bench.virsh(work.hosts.second, "dumpxml", str(spec.guest_id))
            assert f"{tmp_path}/there/.firmware/{disk.volume_id}.fd" in said
            await target.remove_guest(spec.guest_id, key=uuid4())
            await target.remove_disk(other, disk.volume_id, key=uuid4())
            assert not (tmp_path / "there" / ".firmware" / f"{disk.volume_id}.fd").exists()
        finally:
            await target.remove_guest(spec.guest_id, key=uuid4())
            await driver.close()


def alike(one: bytes, other: bytes) -> bool:
    """Of the same TPM: it counts how often a guest has begun to use it, and little else changes."""
    return len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) < 16


async def test_a_tpm_keeps_its_secrets_with_the_disk(tmp_path: Path) -> None:
    """Its endorsement key is the same after a stop: its state is nowhere but with the disk."""
    needed("swtpm", "swtpm_setup", "tar")
    hosts = bench.peer.pair()
    states = hosts.first.root / "lib" / "swtpm"
    async with workbench(tmp_path, swtpm_dir=str(states)) as work:
        spec, disk = await uefi_spec(work)
        spec = replace(spec, boot="bios", hardware=Hardware(tpm="2.0"))
        made = []
        for _ in range(2):
            await work.start(spec)
            state = states / str(spec.guest_id) / "tpm2" / "tpm2-00.permall"
            made.append(await asyncio.to_thread(state.read_bytes))
            assert kept(tmp_path, disk) == {".tpm"}
            await work.session.stop_guest(spec.guest_id, grace_s=0, key=uuid4())
            await work.session.remove_guest(spec.guest_id, key=uuid4())
            assert not (states / str(spec.guest_id)).exists()
            assert not list((hosts.shared / "config").glob(f"{spec.guest_id}*"))
        assert alike(*made), "another TPM would have other seeds and keys, hundreds of bytes"
        assert disk.volume_id is not None
        await work.session.remove_disk(work.pool, disk.volume_id, key=uuid4())
        assert kept(tmp_path, disk) == set()


async def test_a_host_that_emulates_says_what_it_cannot_give(tmp_path: Path) -> None:
    async with workbench(tmp_path) as work:
        base = bench.guest_spec(disks=[attached(await work.disk(work.image()))])
        asked = {
            "needs KVM": Hardware(cpu_pins=("0",)),
            "host-passthrough": Hardware(cpu_mode="host-passthrough"),
            "pages of 2048 KiB": Hardware(huge_page_kib=2048),
            "IOMMU": Hardware(pci_devices=("0000:00:02.0",)),
            "CPU 'none-such'": Hardware(cpu_model="none-such"),
        }
        for why, hardware in asked.items():
            with pytest.raises(Refused, match=why):
                await work.start(replace(base, hardware=hardware))
        await work.start(replace(base, hardware=Hardware(cpu_model="Westmere")))
        model = (await xml_of(work, base)).findtext("cpu/model")
        assert model == "Westmere"
