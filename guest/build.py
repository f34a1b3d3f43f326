"""Build the tiny guest below a home folder: `guest/{vmlinuz,initramfs.gz,tiny.qcow2}`.

A build is keyed by a digest of the recipe and of the packages: while it holds, building again is
reading one small file. The same packages give the same kernel, initramfs and disk contents.

    python -m guest.build [--home DIR]
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from guest import debs, disk, initramfs
from guest.debs import Missing

RECIPE = Path(__file__).parent
READY = "SAGASTACK-GUEST-READY"
"""The start of the line that a guest prints on its serial console once it is up."""

MEMORY_MIB = 128
"""What the guest needs to boot."""


@dataclass(frozen=True)
class GuestImage:
    """Where the built files are. `built` says whether this call made them or found them."""

    kernel: Path
    initramfs: Path
    disk: Path
    cmdline: str
    built: bool


def build(home: Path, say: Callable[[str], None] = lambda line: None) -> GuestImage:
    """The guest image, built if the recipe or the packages are not those of the one in place."""
    target = (home / "guest").resolve()
    target.mkdir(parents=True, exist_ok=True)
    with _alone(target):
        if not (target / "tiny.qcow2").exists():
            _check_tools()  # Before 28 MB are downloaded for nothing.
        kernel_deb, busybox_deb = _fetched(home / "debs", say)
        digest = _digest(kernel_deb, busybox_deb)
        built = not _in_place(target, digest)
        if built:
            _check_tools()
            say(f"building the tiny guest from {kernel_deb.name}")
            _build(kernel_deb, busybox_deb, target, digest)
    return GuestImage(
        kernel=target / "vmlinuz",
        initramfs=target / "initramfs.gz",
        disk=target / "tiny.qcow2",
        cmdline=disk.CMDLINE,
        built=built,
    )


def _fetched(cache: Path, say: Callable[[str], None]) -> tuple[Path, Path]:
    if not cache.exists():
        say("fetching a kernel and busybox from Debian (about 28 MB)")
    return debs.fetch(cache)


def _check_tools() -> None:
    lacking = disk.missing_packages()
    if lacking:
        raise Missing(
            f"tools are missing. As root: apt-get install {' '.join(sorted(set(lacking)))}"
        )


def _build(kernel_deb: Path, busybox_deb: Path, target: Path, digest: str) -> None:
    """Build aside, then move in; the stamp goes last, so half a build is never taken for one."""
    with tempfile.TemporaryDirectory(prefix=".build-", dir=target) as folder:
        scratch = Path(folder)
        kernel_tree = debs.unpack(kernel_deb, scratch / "kernel")
        busybox_tree = debs.unpack(busybox_deb, scratch / "busybox")
        kernel = next((kernel_tree / "boot").glob("vmlinuz-*"))
        archive, image = scratch / "initramfs.gz", scratch / "tiny.qcow2"
        archive.write_bytes(initramfs.write(kernel_tree, busybox_tree, RECIPE))
        disk.write(kernel, archive, image, scratch)
        _stamp(target).unlink(missing_ok=True)
        shutil.copyfile(kernel, scratch / "vmlinuz")
        for name in ("vmlinuz", "initramfs.gz", "tiny.qcow2"):
            (scratch / name).replace(target / name)
        facts = {"digest": digest, "kernel": kernel.name.removeprefix("vmlinuz-")}
        _stamp(target).write_text(json.dumps(facts) + "\n")


def _digest(*packages: Path) -> str:
    """A package is named by its file name, which carries its version; the recipe by its bytes."""
    digest = hashlib.sha256()
    for path in sorted(RECIPE.iterdir()):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for package in packages:
        digest.update(package.name.encode() + b"\0")
    return digest.hexdigest()


def _in_place(target: Path, digest: str) -> bool:
    try:
        facts = json.loads(_stamp(target).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    names = ("vmlinuz", "initramfs.gz", "tiny.qcow2")
    return facts.get("digest") == digest and all((target / name).exists() for name in names)


def _stamp(target: Path) -> Path:
    return target / "guest.json"


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One build at a time in one folder; the kernel drops the lock if we die."""
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Build, and print where the files are; a lack is one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m guest.build", description=__doc__)
    home = Path(os.environ.get("SAGASTACK_HOME", "var"))
    parser.add_argument("--home", type=Path, default=home, help="data folder (default ./var)")
    options = parser.parse_args()
    try:
        image = build(options.home, say=lambda line: print(line, flush=True))
    except Missing as err:
        print(f"the guest image cannot be built: {err}", file=sys.stderr)
        return 1
    print(f"{image.disk} {'built' if image.built else 'is up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
