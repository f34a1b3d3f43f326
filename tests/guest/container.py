"""A tiny container's root: busybox and an init, as a raw file with a file system of its own."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from functools import cache
from pathlib import Path

from guest.build import READY
from guest.debs import Missing, fetch, unpack
from tests.guest.tiny import HOME

SIZE_BYTES = 48 * 1024**2
INIT = f"""#!/bin/busybox sh
export PATH=/bin
[ -e /bin/ls ] || busybox --install -s /bin
trap 'exit 0' TERM INT HUP
boots=$(($(cat /boots 2>/dev/null || echo 0) + 1)); echo "$boots" >/boots; sync
echo "{READY} boots=$boots" >/dev/console
echo "$SAGASTACK_USER_DATA" >/told
while :; do sleep 1 & wait $!; done
"""


def lacking() -> str:
    """What this machine lacks to build it."""
    found = [name for name in ("mkfs.ext4", "resize2fs", "dpkg") if shutil.which(name) is None]
    return ", ".join(found)


@cache
def container_image() -> Path:
    """The raw image, built once below the repository's own `var`. Missing: no busybox."""
    target, folder = HOME / "guest" / "container.raw", HOME / "guest" / "container"
    (HOME / "guest").mkdir(parents=True, exist_ok=True)
    with (HOME / "guest" / ".container.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = HOME / "guest" / "container.init"
        if target.exists() and stamp.exists() and stamp.read_text() == INIT:
            return target
        shutil.rmtree(folder, ignore_errors=True)
        _, busybox = fetch(HOME / "debs")
        folder.mkdir()
        unpack(busybox, folder / "deb")
        root = folder / "root"
        for name in ("bin", "sbin", "dev", "proc", "sys", "tmp", "etc"):
            (root / name).mkdir(parents=True)
        shutil.copy2(folder / "deb" / "bin" / "busybox", root / "bin" / "busybox")
        init = root / "sbin" / "init"
        init.write_text(INIT)
        init.chmod(0o755)
        part = folder / "container.raw"
        with part.open("wb") as file:
            file.truncate(SIZE_BYTES)
        made = ("mkfs.ext4", "-q", "-F", "-E", "root_owner=0:0", "-d", str(root), str(part))
        try:
            subprocess.run(made, check=True, capture_output=True, timeout=60)
        except subprocess.CalledProcessError as error:
            raise Missing(f"mkfs.ext4: {error.stderr.decode()}") from error
        part.replace(target)
        shutil.rmtree(folder)
        stamp.write_text(INIT)
    return target
