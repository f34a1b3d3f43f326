"""What the tests run in namespaces of their own, where the machine may be changed at will.

    unshare ... python -m tests.hostsetup.inside {bridge|libvirt} FOLDER

Prints one JSON object; the tests judge it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from sagastack.hostsetup import Report, bridge, libvirtd

LIBVIRT_FOLDERS = ("/run", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt")


def _shell(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout


def _seen(report: Report) -> dict[str, Any]:
    fields = {"ok": report.ok, "did": report.did, "missing": report.missing}
    return {**fields, "remedy": report.remedy, "facts": dict(report.facts), "line": str(report)}


async def try_bridge() -> dict[str, Any]:
    """The first candidate is in use here, so the second must be taken; then the same again."""
    _shell("ip", "link", "add", "other", "type", "bridge")
    _shell("ip", "address", "add", "10.77.0.9/16", "dev", "other")
    first = _seen(await bridge.ensure("sagabr0"))
    again = _seen(await bridge.ensure("sagabr0"))
    _shell("ip", "link", "set", "sagabr0", "down")
    mended = _seen(await bridge.ensure("sagabr0"))
    _shell("ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire2")
    wrong = _seen(await bridge.ensure("wire"))
    return {"first": first, "again": again, "mended": mended, "wrong": wrong}


def try_libvirt(folder: Path) -> dict[str, Any]:
    """Start a daemon over empty state folders, ask again, and look at what /etc holds."""
    for place in LIBVIRT_FOLDERS:
        Path(place).mkdir(parents=True, exist_ok=True)
        _shell("mount", "-t", "tmpfs", "none", place)
    before = Path(libvirtd.QEMU_CONF_PLACE).read_text()
    first = _seen(asyncio.run(libvirtd.ensure(folder)))
    again = _seen(asyncio.run(libvirtd.ensure(folder)))
    return {
        "first": first,
        "again": again,
        "capabilities": _shell("virsh", "-c", libvirtd.URI, "capabilities"),
        "etc_untouched": Path(libvirtd.QEMU_CONF_PLACE).read_text() == before,
    }


def main() -> None:
    what, folder = sys.argv[1], Path(sys.argv[2])
    _shell("ip", "link", "set", "lo", "up")
    print(json.dumps(asyncio.run(try_bridge()) if what == "bridge" else try_libvirt(folder)))


if __name__ == "__main__":
    main()
