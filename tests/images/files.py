"""Images as bytes: real ones, made by QEMU's own tool, and the least that is a disc."""

from __future__ import annotations

import subprocess
from pathlib import Path


def disc() -> bytes:
    """The mark of a disc where ECMA-119 wants it, and nothing else."""
    return (b"\0" * 32_769 + b"CD001").ljust(40_960, b"\0")


def qcow2(folder: Path, size: str = "1M") -> bytes:
    path = folder / "made.qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", str(path), size]
    subprocess.run(argv, check=True, timeout=20)
    return path.read_bytes()
