"""Images as bytes: real ones, made by QEMU's own tool, and the least that is a disc."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path


def disc() -> bytes:
    """The mark of a disc where ECMA-119 wants it, and nothing else."""
    return (b"\0" * 32_769 + b"CD001").ljust(40_960, b"\0")


def qcow2(folder: Path, size: str = "1M") -> bytes:
    path = folder / "made.qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", str(path), size]
    subprocess.run(argv, check=True, timeout=20)
    return path.read_bytes()


def converted(folder: Path, image_format: str, *options: str) -> bytes:
    """The same little disk in another format, by QEMU's own tool."""
    source, path = folder / "source.qcow2", folder / f"made.{image_format}"
    source.write_bytes(qcow2(folder))
    argv = ["qemu-img", "convert", "-f", "qcow2", "-O", image_format, *options]
    subprocess.run([*argv, str(source), str(path)], check=True, timeout=20)
    return path.read_bytes()


def appliance(folder: Path, disks: int = 1) -> bytes:
    """An OVA: a descriptor and its disks (DMTF DSP0243)."""
    vmdk = converted(folder, "vmdk", "-o", "subformat=streamOptimized")
    lines = "".join(f'<Disk ovf:capacity="1048576" ovf:diskId="d{n}"/>' for n in range(disks))
    parts = {"made.ovf": f"<Envelope><DiskSection>{lines}</DiskSection></Envelope>".encode()}
    parts |= {f"disk{number}.vmdk": vmdk for number in range(disks)}
    path = folder / "made.ova"
    with tarfile.open(path, "w") as archive:
        for name, content in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path.read_bytes()
