"""The tiny disk with a start-up script for the shell of UEFI: it boots by either firmware."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from guest.build import GuestImage
from guest.disk import CMDLINE, PARTITION_SECTOR, SECTOR_BYTES

FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
MEMORY_MIB = 192


def lacking(*programs: str) -> str:
    """What this machine lacks to boot by UEFI."""
    absent = [name for name in ("mcopy", "qemu-img", *programs) if shutil.which(name) is None]
    return ", ".join([*absent, *([] if FIRMWARE.exists() else ["ovmf"])])


def efi_disk(image: GuestImage, folder: Path) -> Path:
    """A copy of the tiny disk, which a kernel's own EFI loader starts from."""
    raw, script, target = folder / "efi.raw", folder / "startup.nsh", folder / "efi.qcow2"
    script.write_text(f"vmlinuz initrd=initrd.gz {CMDLINE}\r\n")
    _run("qemu-img", "convert", "-O", "raw", str(image.disk), str(raw))
    _run("mcopy", "-i", f"{raw}@@{PARTITION_SECTOR * SECTOR_BYTES}", str(script), "::/startup.nsh")
    _run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(target))
    raw.unlink()
    return target


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
