"""An installer for tests: a kernel, an initrd that carries the tiny disk, and its answers."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

from guest import debs, initramfs
from guest.build import RECIPE, GuestImage

HERE = Path(__file__).parent
INIT = "installer-init"
ANSWERS = """\
name {{hostname}}
disk /dev/{{root_disk}}
done {{done_url}}
failed {{failed_url}}
"""
TOLD = {
    "kernel": "vmlinuz",
    "initrd": "initrd.gz",
    "answers": "answers",
    "cmdline": "console=ttyS0,115200 quiet panic=10 answers={{answers_url}}",
}


def tiny_installer(tiny: GuestImage, folder: Path) -> Path:
    """The archive, made in `folder`."""
    recipe = folder / "recipe"
    shutil.copytree(RECIPE, recipe, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(HERE / INIT, recipe / INIT)
    kernel_deb, busybox_deb = debs.fetch(tiny.disk.parents[1] / "debs")
    trees = [
        debs.unpack(deb, folder / f"tree-{number}")
        for number, deb in enumerate((kernel_deb, busybox_deb))
    ]
    packed = initramfs.write(trees[0], trees[1], recipe, init=INIT)
    parts = {
        "installer.json": json.dumps(TOLD).encode(),
        "answers": ANSWERS.encode(),
        "vmlinuz": tiny.kernel.read_bytes(),
        "initrd.gz": packed + _system(tiny, folder),
    }
    path = folder / "installer.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    for tree in (*trees, recipe):
        shutil.rmtree(tree)
    return path


def _system(tiny: GuestImage, folder: Path) -> bytes:
    """The tiny disk as `/system.gz`, in an archive of its own that follows the first."""
    raw = folder / "system.raw"
    argv = ["qemu-img", "convert", "-O", "raw", str(tiny.disk), str(raw)]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    archive = initramfs.Archive()
    archive.file("system.gz", gzip.compress(raw.read_bytes(), compresslevel=1, mtime=0))
    raw.unlink()
    return archive.close()
