"""A small file that gets its name is on disk before: a loss of power leaves no empty one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.libvirt.state import State
from engine.private_files import write_private
from sagastack.monitor.cursor import FileCursor


def cursor(path: Path) -> None:
    asyncio.run(FileCursor(path).move(7))


def state(path: Path) -> None:
    State(str(path)).put("keys", "host", "ssh-ed25519")


def private(path: Path) -> None:
    write_private(path, b"key")


@pytest.mark.parametrize("write", [cursor, state, private])
def test_what_has_a_name_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    done: list[str] = []

    def noted(name: str) -> None:
        real = getattr(os, name)

        def call(one: int | Path, *more: Path) -> None:
            path = Path(f"/proc/self/fd/{one}").readlink() if isinstance(one, int) else one
            real(one, *more)
            done.append(f"{name} {'folder' if path == tmp_path else 'file'}")

        monkeypatch.setattr(os, name, call)

    for name in ("fsync", "replace", "link"):
        noted(name)
    write(tmp_path / "small")
    named = "link" if write is private else "replace"
    assert done[:2] == ["fsync file", f"{named} file"]
    if write is private:  # What it opens may not be on disk without it.
        assert done[2:] == ["fsync folder"]
    assert [one.name for one in tmp_path.iterdir()] == ["small"]
