"""Debian packages are fetched once, kept below the home folder, and unpacked without root.

`apt-get download` needs no root, only the package lists; root may refresh those by itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

KERNEL_META = "linux-image-cloud-amd64"
KERNEL_GLOB = "linux-image-*-cloud-amd64_*.deb"
BUSYBOX = "busybox-static"
DOWNLOAD_TIMEOUT_S = 600
EPOCH_S = "315532800"
"""1980-01-01, FAT's first day: what mtools writes as every file's time."""


class Missing(Exception):
    """Something that the build needs is not on this machine; the message says how to get it."""


def run(*argv: str, cwd: Path | None = None, timeout_s: float = 120) -> str:
    """Run a program to its end and give what it printed; a failure carries its own words."""
    env = {**os.environ, "LC_ALL": "C", "TZ": "UTC", "SOURCE_DATE_EPOCH": EPOCH_S}
    try:
        done = subprocess.run(
            argv, cwd=cwd, env=env, timeout=timeout_s, capture_output=True, text=True, check=True
        )
    except FileNotFoundError as err:
        raise Missing(f"the program {argv[0]} is not installed") from err
    except subprocess.CalledProcessError as err:
        words = (err.stderr or err.stdout).strip().splitlines()[-3:]
        raise Missing(f"`{' '.join(argv)}` failed: {' '.join(words)}") from err
    except subprocess.TimeoutExpired as err:
        raise Missing(f"`{' '.join(argv)}` did not end within {timeout_s:.0f} s") from err
    return done.stdout


def fetch(debs: Path) -> tuple[Path, Path]:
    """The kernel's and busybox's package files, downloaded only when the cache lacks them."""
    debs.mkdir(parents=True, exist_ok=True)
    kernel, busybox = _newest(debs, KERNEL_GLOB), _newest(debs, f"{BUSYBOX}_*.deb")
    if kernel is None:
        kernel = _download(debs, _kernel_package(), KERNEL_GLOB)
    if busybox is None:
        busybox = _download(debs, BUSYBOX, f"{BUSYBOX}_*.deb")
    return kernel, busybox


def unpack(deb: Path, into: Path) -> Path:
    """The package's files below `into`; none of its scripts run."""
    run("dpkg", "-x", str(deb), str(into))
    return into


def _newest(debs: Path, pattern: str) -> Path | None:
    return max(debs.glob(pattern), key=lambda path: path.stat().st_mtime, default=None)


def _kernel_package() -> str:
    """The versioned package behind Debian's meta package: that one holds the kernel itself."""
    for attempt in range(2):
        for line in run("apt-cache", "depends", KERNEL_META).splitlines():
            word, _, name = line.strip().partition(": ")
            if word == "Depends" and name.startswith("linux-image-"):
                return name
        if attempt == 0 and os.geteuid() == 0:
            run("apt-get", "update", "-q", timeout_s=DOWNLOAD_TIMEOUT_S)
    raise Missing(f"apt knows no {KERNEL_META}: run `apt-get update` as root, then try again")


def _download(debs: Path, package: str, pattern: str) -> Path:
    """Download beside the cache and move in whole, so that a broken download is never used."""
    part = debs / f"part.{os.getpid()}"
    part.mkdir(exist_ok=True)
    try:
        # apt warns that its sandbox user cannot write here; naming root as that user avoids it.
        run(
            *("apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", package),
            cwd=part,
            timeout_s=DOWNLOAD_TIMEOUT_S,
        )
        for found in part.glob("*.deb"):
            found.replace(debs / found.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    deb = _newest(debs, pattern)
    if deb is None:
        raise Missing(f"apt downloaded {package} but no file {pattern} came of it")
    return deb
