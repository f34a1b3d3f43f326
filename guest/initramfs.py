"""The initramfs is an archive written here byte by byte: no root, no clock, same input same bytes.

The format is the kernel's "newc" cpio (Documentation/driver-api/early-userspace/buffer-format).
Device nodes are only records in it, so no `mknod` is needed.
"""

from __future__ import annotations

import gzip
import lzma
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from guest.debs import Missing

MODULES = (
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "virtio_balloon",
    "virtio_scsi",
    "sr_mod",
    "isofs",
    "virtio-rng",
    "button",
    "evdev",
)
"""What a guest of ours meets: virtio devices, a config disc, and the power button of ACPI."""

FOLDERS = (
    "bin dev etc etc/acpi etc/acpi/PWRF lib lib/modules mnt proc root run sys tmp "
    "var var/log var/run"
)


class Archive:
    """A newc archive that grows in memory, in the order in which it is told."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._inode = 0

    def add(
        self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        self._inode += 1
        path = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        self._parts += [_pad(header + path), _pad(data)]

    def folder(self, name: str) -> None:
        self.add(name, stat.S_IFDIR | 0o755)

    def file(self, name: str, data: bytes, *, mode: int = 0o644) -> None:
        self.add(name, stat.S_IFREG | mode, data)

    def link(self, name: str, target: str) -> None:
        self.add(name, stat.S_IFLNK | 0o777, target.encode())

    def close(self) -> bytes:
        """The whole archive, compressed; gzip's own time stamp stays zero."""
        self._inode = 0
        self.add("TRAILER!!!", 0)
        return gzip.compress(b"".join(self._parts), compresslevel=9, mtime=0)


def write(
    kernel_tree: Path,
    busybox_tree: Path,
    recipe: Path,
    *,
    init: str = "init",
    modules: tuple[str, ...] = MODULES,
) -> bytes:
    """Busybox, the modules in load order, and one of the inits that lie beside this file."""
    archive = Archive()
    for name in FOLDERS.split():
        archive.folder(name)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.file("bin/busybox", (busybox_tree / "bin/busybox").read_bytes(), mode=0o755)
    archive.link("bin/sh", "busybox")
    archive.file("etc/passwd", b"root:x:0:0::/root:/bin/sh\n")
    for name in ("init", "dhcp-event", "power-off"):
        source = init if name == "init" else name
        target = {"init": "init", "power-off": "etc/acpi/PWRF/00000080"}.get(name, f"bin/{name}")
        archive.file(target, (recipe / source).read_bytes(), mode=0o755)
    order = list(_with_dependencies(_modules(kernel_tree), modules))
    for name, data in order:
        archive.file(f"lib/modules/{name}.ko", data)
    archive.file("lib/modules/order", "".join(f"{name}\n" for name, _ in order).encode())
    return archive.close()


def _pad(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _modules(kernel_tree: Path) -> dict[str, Path]:
    """Every module of the kernel by its name as `depends=` spells it."""
    found = (kernel_tree / "lib/modules").rglob("*.ko*")
    return {path.name.partition(".ko")[0].replace("-", "_"): path for path in found}


def _with_dependencies(
    modules: dict[str, Path], wanted: tuple[str, ...]
) -> Iterator[tuple[str, bytes]]:
    """Each wanted module after all that it needs: the order in which insmod can load them."""
    done: set[str] = set()

    def visit(name: str) -> Iterator[tuple[str, bytes]]:
        key = name.replace("-", "_")
        if key in done or key not in modules:  # A name with no file is built into the kernel.
            return
        done.add(key)
        data = _read(modules[key])
        match = re.search(rb"\0depends=([^\0]*)\0", data)
        for needed in match[1].decode().split(",") if match else ():
            yield from visit(needed)
        yield key, data

    for name in wanted:
        yield from visit(name)
    if "virtio_blk" not in done:
        raise Missing("the kernel package holds no virtio_blk module: is it a cloud kernel?")


def _read(path: Path) -> bytes:
    """A module's own bytes; newer Debian releases ship them compressed."""
    raw = path.read_bytes()
    return lzma.decompress(raw) if path.suffix == ".xz" else raw
