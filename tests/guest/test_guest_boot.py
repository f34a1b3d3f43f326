"""The tiny guest boots from its own disk on an emulated PC and obeys the power button."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import UUID

import pytest

from guest.build import READY
from tests.guest.tiny import image, machine

UUID_TEXT = str(UUID(int=0x5A6A))


@pytest.mark.real
async def test_boots_from_disk_keeps_its_writes_and_powers_off(tmp_path: Path) -> None:
    disk = tmp_path / "root.qcow2"
    shutil.copyfile(image().disk, disk)
    drive = ("-drive", f"file={disk},if=virtio,format=qcow2", "-uuid", UUID_TEXT)
    for boots in (1, 2):
        async with machine(tmp_path, *drive, "-nic", "user,model=virtio-net-pci") as guest:
            ready = await guest.wait_for(READY)
            assert f"uuid={UUID_TEXT}" in ready
            assert f"boots={boots}" in ready, "what the first boot wrote must still be there"
            await guest.wait_for("SAGASTACK-GUEST-ADDRESS eth0 10.0.2.15/24")
            assert "WARNING" not in guest.console()
            await guest.press_power()
            assert await guest.ended() == 0
            assert "SAGASTACK-GUEST-POWEROFF" in guest.console()


@pytest.mark.real
async def test_boots_by_kernel_and_initramfs_with_data_on_its_command_line(tmp_path: Path) -> None:
    built = image()
    words = f"{built.cmdline} sagastack.hostname=web-1 sagastack.data=hello"
    kernel = ("-kernel", str(built.kernel), "-initrd", str(built.initramfs), "-append", words)
    async with machine(tmp_path, *kernel) as guest:
        ready = await guest.wait_for(READY)
        assert "hostname=web-1" in ready
        assert "boots=0" in ready, "there is no disk to count on"
        assert "SAGASTACK-GUEST-DATA hello" in guest.console()
