"""What the host set-up says and does, with the machine's programs replaced where it matters."""

from __future__ import annotations

import os
import stat
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from sagastack.hostsetup import Report, bridge, libvirtd, packages
from sagastack.hostsetup.report import CommandFailed, run

NONSENSE = {"no-such-package-1": "for one thing", "no-such-package-2": "for another"}
INSTALLED = "#!/bin/sh\nprintf 'ii  bash\\nrc  gone\\n'\n"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that comes first in PATH, with a dpkg that knows `bash` only."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    put(folder / "dpkg-query", INSTALLED)
    return folder


def put(path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def be(monkeypatch: pytest.MonkeyPatch, user_id: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user_id)


async def test_nothing_is_done_when_all_is_there(programs: Path) -> None:
    assert await packages.ensure({"bash": "a shell"}, print) == Report(ok=True)


async def test_a_removed_package_with_files_left_is_missing(programs: Path) -> None:
    assert await packages.absent({"gone": "", "bash": ""}) == ["gone"]


async def test_a_user_is_told_the_exact_command(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be(monkeypatch, 1000)
    report = await packages.ensure(NONSENSE, print)
    assert not report.ok
    assert report.missing[0] == "no-such-package-1 is not installed (for one thing)"
    assert report.remedy == (
        "sudo apt-get install -y --no-install-recommends no-such-package-1 no-such-package-2"
    )


async def test_root_updates_then_installs(
    programs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    be(monkeypatch, 0)
    put(programs / "apt-get", f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    said: list[str] = []
    report = await packages.ensure(NONSENSE, said.append)
    assert report.did == ("installed no-such-package-1 no-such-package-2",)
    assert said == ["installing 2 Debian packages: no-such-package-1 no-such-package-2"]
    update, install = (tmp_path / "calls").read_text().splitlines()
    assert update.split()[-1] == "update"
    assert install.endswith("install no-such-package-1 no-such-package-2")


async def test_a_failed_install_says_what_apt_said(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be(monkeypatch, 0)
    put(programs / "apt-get", "#!/bin/sh\necho E: the disk is full >&2\nexit 100\n")
    report = await packages.ensure(NONSENSE, print)
    assert not report.ok
    assert "E: the disk is full" in str(report)


async def test_libvirt_without_root_names_the_remedy(
    programs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    be(monkeypatch, 1000)
    put(programs / "virsh", "#!/bin/sh\necho 'error: permission denied' >&2\nexit 1\n")
    for name in ("libvirtd", "qemu-system-x86_64", "qemu-img"):
        put(programs / name, "#!/bin/sh\n")
    report = await libvirtd.ensure(tmp_path / "libvirt")
    assert not report.ok
    assert "permission denied" in report.missing[0]
    assert "group libvirt" in report.remedy
    assert not (tmp_path / "libvirt").exists(), "nothing is written for a daemon nobody starts"


async def test_a_running_libvirt_is_used_as_it_is(programs: Path, tmp_path: Path) -> None:
    put(programs / "virsh", "#!/bin/sh\nexit 0\n")
    report = await libvirtd.ensure(tmp_path / "libvirt")
    assert report == Report(ok=True, facts={"uri": "qemu:///system"})


async def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(CommandFailed, match=r"did not end within 0.1 s"):
        await run("sleep", "60", timeout_s=0.1)


async def test_a_daemon_left_behind_is_not_waited_for() -> None:
    assert await run("sh", "-c", "sleep 5 & echo started", timeout_s=3) == "started\n"


def test_a_network_in_use_is_passed_over() -> None:
    first, second, third = bridge.CANDIDATES[:3]
    assert bridge.free([]) == first
    assert bridge.free([IPv4Network("192.0.2.0/24")]) == first
    assert bridge.free([first, second]) == third
    assert bridge.free([IPv4Network("10.0.0.0/8")]) is None
