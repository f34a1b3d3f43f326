"""Building the guest: same packages, same bytes; built once; a lack is named with its remedy."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from guest import debs
from guest.build import build
from guest.debs import Missing
from guest.initramfs import Archive
from tests.guest.tiny import HOME, absent, image

NAMES = ("vmlinuz", "initramfs.gz", "tiny.qcow2")


def test_the_same_packages_give_the_same_bytes_and_are_built_once(tmp_path: Path) -> None:
    first = image()
    shutil.copytree(HOME / "debs", tmp_path / "debs")
    said: list[str] = []
    second = build(tmp_path, said.append)
    assert second.built
    assert len(said) == 1, "one line: building"
    for name in NAMES:
        mine, other = first.disk.parent / name, second.disk.parent / name
        assert mine.read_bytes() == other.read_bytes(), f"{name} differs between two builds"
    assert not build(tmp_path, said.append).built
    assert len(said) == 1, "an image in place is not worth a word"
    second.disk.unlink()
    assert build(tmp_path).built, "a file that is gone is made again"


def test_the_disk_is_small(tmp_path: Path) -> None:
    built = image()
    assert built.disk.stat().st_size < 64 * 1024 * 1024


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match="apt-cache is not installed"):
        debs.fetch(tmp_path / "debs")


def test_missing_tools_are_named_by_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "debs").mkdir()
    for name in ("linux-image-6.1.0-1-cloud-amd64_6_amd64.deb", "busybox-static_1_amd64.deb"):
        (tmp_path / "debs" / name).touch()
    monkeypatch.setattr("guest.disk.TOOLS", {"no-such-tool": "its-package"})
    with pytest.raises(Missing, match="apt-get install its-package"):
        build(tmp_path)


def test_the_command_says_what_is_missing_and_fails(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "guest.build", "--home", str(tmp_path)],
        env={**os.environ, "PATH": str(tmp_path)},
        cwd=HOME.parent,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert "cannot be built: tools are missing. As root: apt-get install" in done.stderr


def test_cpio_reads_the_archive(tmp_path: Path) -> None:
    if shutil.which("cpio") is None:
        absent("cpio is not installed")
    archive = Archive()
    archive.folder("etc")
    archive.file("etc/motd", b"hello\n", mode=0o640)
    archive.link("motd", "etc/motd")
    archive.add("console", stat.S_IFCHR | 0o600, device=(5, 1))
    listing = subprocess.run(
        ["cpio", "-tv", "--quiet"],
        input=gzip.decompress(archive.close()),
        capture_output=True,
        check=True,
        timeout=30,
    ).stdout.decode()
    kinds = [line.split()[0] + " " + line.split()[-1] for line in listing.splitlines()]
    assert kinds == [
        "drwxr-xr-x etc",
        "-rw-r----- etc/motd",
        "lrwxrwxrwx etc/motd",
        "crw------- console",
    ]
