"""A disk that boots by BIOS: a partition table, one FAT partition, syslinux, kernel, initramfs.

All is done on a plain file (mtools style), so neither root nor a loop device nor a mount is needed.
Sector 2046, in the gap before the partition, holds a boot counter that the guest itself raises:
it proves that what a guest wrote is still there after a stop, a snapshot or a migration.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from guest.debs import Missing, run

SECTOR_BYTES = 512
DISK_BYTES = 64 * 1024 * 1024
PARTITION_SECTOR = 2048
COUNTER_SECTOR = 2046
COUNTER = b"SAGASTACK-BOOTS 0\n"
MBR_CODE = Path("/usr/lib/SYSLINUX/mbr.bin")
TOOLS = {
    "syslinux": "syslinux",
    "mcopy": "mtools",
    "mkfs.vfat": "dosfstools",
    "qemu-img": "qemu-utils",
}
CMDLINE = "console=tty0 console=ttyS0,115200 quiet panic=5 mitigations=off no_timer_check"
BOOT_CONFIG = f"""DEFAULT tiny
PROMPT 0
TIMEOUT 0
LABEL tiny
  KERNEL /vmlinuz
  INITRD /initrd.gz
  APPEND {CMDLINE}
"""


def missing_packages() -> list[str]:
    """The Debian packages whose tools this needs and does not find."""
    lacking = [package for tool, package in TOOLS.items() if _where(tool) is None]
    return lacking + ([] if MBR_CODE.exists() else ["syslinux-common"])


def write(kernel: Path, initramfs: Path, target: Path, scratch: Path) -> None:
    """Lay out the raw disk in `scratch` and put it down as the qcow2 file `target`."""
    raw, config = scratch / "tiny.raw", scratch / "syslinux.cfg"
    config.write_text(BOOT_CONFIG)
    _partition(raw)
    _fill(raw, {"vmlinuz": kernel, "initrd.gz": initramfs, "syslinux.cfg": config})
    run(_tool("qemu-img"), "convert", "-f", "raw", "-O", "qcow2", str(raw), str(target))


def _partition(raw: Path) -> None:
    """One active FAT16 partition from 1 MiB to the end, and the code that starts it."""
    sectors = DISK_BYTES // SECTOR_BYTES - PARTITION_SECTOR
    no_chs = b"\xfe\xff\xff"  # "Use the sector number": past what cylinders can say.
    entry = struct.pack("<B3sB3sII", 0x80, no_chs, 0x0E, no_chs, PARTITION_SECTOR, sectors)
    with raw.open("wb") as file:
        file.truncate(DISK_BYTES)
        file.write(MBR_CODE.read_bytes()[:440].ljust(440, b"\0") + b"SAGA\0\0" + entry)
        file.seek(SECTOR_BYTES - 2)
        file.write(b"\x55\xaa")
        file.seek(COUNTER_SECTOR * SECTOR_BYTES)
        file.write(COUNTER)


def _fill(raw: Path, files: dict[str, Path]) -> None:
    offset_bytes = PARTITION_SECTOR * SECTOR_BYTES
    blocks = (DISK_BYTES - offset_bytes) // 1024
    run(
        *(_tool("mkfs.vfat"), "-F", "16", "--invariant", "-n", "SAGATINY", "-g", "255/63"),
        *("-h", str(PARTITION_SECTOR), f"--offset={PARTITION_SECTOR}", str(raw), str(blocks)),
    )
    run(_tool("syslinux"), "--offset", str(offset_bytes), "--install", str(raw))
    for name, source in files.items():
        run(_tool("mcopy"), "-i", f"{raw}@@{offset_bytes}", str(source), f"::/{name}")


def _where(tool: str) -> str | None:
    """Like the shell, but also where root's tools are: an ordinary user may run them."""
    return shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/sbin")


def _tool(name: str) -> str:
    found = _where(name)
    if found is None:
        raise Missing(f"{name} is not installed: install the Debian package {TOOLS[name]}")
    return found
