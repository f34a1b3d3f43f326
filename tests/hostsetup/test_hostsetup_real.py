"""The bridge and libvirt are really made, in namespaces where nothing of the machine is touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.guest.tiny import absent

ROOT = Path(__file__).parents[2]


def inside(what: str, folder: Path) -> dict[str, Any]:
    """Run `tests.hostsetup.inside` alone with its processes; all of them end with it."""
    lacking = [name for name in ("unshare", "ip") if shutil.which(name) is None]
    if os.geteuid() != 0 or lacking:
        absent(f"needs root and the programs unshare and ip (missing: {lacking or 'root'})")
    spaces = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
    # A shell is their first process: it buries orphans, which libvirt's probes leave behind.
    shell = ("sh", "-c", '"$@"; exit $?', "sh")
    program = (sys.executable, "-m", "tests.hostsetup.inside", what, str(folder))
    done = subprocess.run(
        ["unshare", *spaces, *shell, *program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.mark.real
def test_a_bridge_is_made_once_with_a_free_network(tmp_path: Path) -> None:
    seen = inside("bridge", tmp_path)
    first = seen["first"]
    assert first["ok"], first
    assert first["facts"] == {"bridge": "sagabr0", "cidr": "10.78.0.0/24", "gateway": "10.78.0.1"}
    assert first["did"] == ["made the bridge sagabr0", "gave it 10.78.0.1/24"]
    assert seen["again"]["did"] == []
    assert seen["again"]["facts"] == first["facts"]
    assert seen["mended"]["did"] == ["set sagabr0 up"]
    assert not seen["wrong"]["ok"]
    assert "wire exists on this machine and is not a bridge" in seen["wrong"]["line"]


@pytest.mark.real
def test_libvirt_is_started_once_and_leaves_etc_alone(tmp_path: Path) -> None:
    lacking = [name for name in ("libvirtd", "virsh") if shutil.which(name) is None]
    if lacking:
        absent(f"libvirt is not installed (missing: {lacking})")
    if os.path.isdir("/run/systemd/system"):
        absent("systemd manages libvirt on this machine, so we never start it ourselves")
    seen = inside("libvirt", tmp_path)
    assert seen["first"]["ok"], seen["first"]
    assert seen["first"]["did"] == ["started libvirtd"]
    assert seen["first"]["facts"] == {"uri": "qemu:///system"}
    assert seen["again"]["ok"]
    assert seen["again"]["did"] == []
    assert "qemu-system-x86_64" in seen["capabilities"]
    assert seen["etc_untouched"]
