"""The config disc on a real host: a guest reads it, it follows the guest, and it goes with it."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from drivers.contract.compute import HostAddress
from drivers.libvirt.config_disc import path_in
from drivers.libvirt.disks import pool_folder
from drivers.libvirt.driver import make
from guest.build import READY
from tests.drivers import harness_libvirt as bench
from tests.drivers.test_libvirt_real import attached, workbench

pytestmark = pytest.mark.real


def files(hostname: str) -> tuple[tuple[str, bytes], ...]:
    meta = json.dumps({"uuid": "u", "hostname": hostname, "admin_pass": "s3cret"}).encode()
    told = f"#cloud-config {hostname}\n".encode() + b"x" * 200_000
    return (
        ("cloudstack/metadata/local-hostname.txt", hostname.encode()),
        ("openstack/latest/meta_data.json", meta),
        ("openstack/latest/user_data", told),
    )


async def test_a_guest_reads_what_it_is_told_and_each_start_tells_anew(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    async with workbench(tmp_path, config_dir=str(folder)) as work:
        spec = bench.guest_spec(disks=[attached(await work.disk(work.image()))])
        for hostname in ("web-1", "web-2"):
            spec = replace(spec, user_data="x" * 100_000, config=files(hostname))
            await work.session.start_guest(spec, key=uuid4())
            said = await work.serial(spec.guest_id, READY)
            assert f'"hostname": "{hostname}"' in said
            assert f"SAGASTACK-GUEST-USER-DATA #cloud-config {hostname}" in said
            disc = path_in(str(folder), spec.guest_id)
            assert stat.S_IMODE(os.stat(disc).st_mode) == 0o600, "others may read the password"
            await work.session.stop_guest(spec.guest_id, grace_s=0, key=uuid4())
            await work.session.remove_guest(spec.guest_id, key=uuid4())
            assert os.listdir(folder) == []


async def test_a_guest_without_a_disc_has_no_second_drive(tmp_path: Path) -> None:
    async with workbench(tmp_path, config_dir=str(tmp_path / "config")) as work:
        spec = await work.start()
        said = await work.serial(spec.guest_id, READY)
        assert "SAGASTACK-GUEST-CONFIG" not in said and "sr0" not in said
        assert "config" not in os.listdir(tmp_path)


async def test_it_moves_with_its_guest(tmp_path: Path) -> None:
    """Both hosts are this machine, so the disc that is brought lies where the first one lay."""
    folder = tmp_path / "config"
    async with workbench(tmp_path, config_dir=str(folder)) as work:
        shared = f"SharedMountPoint://{pool_folder(work.pool)}"
        await work.session.open_pool(replace(work.pool, url=shared))
        spec = bench.guest_spec(disks=[attached(await work.disk(work.image()))])
        spec = replace(spec, config=files("web-1"))
        await work.session.start_guest(spec, key=uuid4())
        await work.serial(spec.guest_id, READY)
        disc = path_in(str(folder), spec.guest_id)
        before = os.stat(disc).st_ino
        target = HostAddress(url=work.hosts.second.uri)
        await work.session.migrate_guest(spec.guest_id, target, key=uuid4())
        assert os.stat(disc).st_ino != before, "it was not brought over"
        there = make({**bench.settings(work.hosts), "config_dir": str(folder)})
        try:
            arrived = await there.connect(target)
            status = await arrived.find_guest(spec.guest_id)
            assert status is not None and disc in status.disks
            await arrived.remove_guest(spec.guest_id, key=uuid4())
            assert not os.listdir(folder)
        finally:
            await there.close()
