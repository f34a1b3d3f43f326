"""A data folder that is not ours is refused at once, with who has it and what to do."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from engine.log import LogLocked
from engine.log.lock import FileLock
from sagastack.boot import controller
from sagastack.doctor import examine
from sagastack.own_home import why_not
from sagastack.settings import BadSetting, Settings
from tests.log.rooms import files_up_to
from tests.log.test_failures import nobody

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has files of two users")


async def refusal(settings: Settings) -> str:
    with pytest.raises(BadSetting) as refused:
        async with asyncio.timeout(60), controller(settings):
            pass
    return str(refused.value)


@is_root
@pytest.mark.parametrize("kept", ["", "log.db", "secrets.db.key"])
async def test_what_another_owns_is_told_with_the_remedy(kept: str) -> None:
    """The folder itself, or a file in it, as one start as root leaves it."""
    with TemporaryDirectory() as folder:
        home = Path(folder)
        held = home / kept
        if kept:
            held.touch(0o600)
        os.chmod(home, 0o777 if kept else 0o755)
        with nobody():
            told = await refusal(Settings(home=home, port=0))
            checks = await examine(Settings(home=home))
        assert told.startswith(f"{held} cannot be written to, or read, by nobody: it is root's;")
        assert f"chown -R nobody {home}" in told
        assert (checks[0].ok, checks[0].remedy) == (False, told)
        assert why_not(home) == ""


@is_root
def test_a_folder_that_could_not_be_made_is_told_too() -> None:
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        with nobody():
            assert f"{folder} cannot be written" in why_not(Path(folder) / "a" / "b")


async def test_a_full_disk_keeps_nobody_from_being_served(tmp_path: Path) -> None:
    """The lock has no word of who holds it, and tools have to be told where it serves."""
    lock = tmp_path / "log.db.lock"
    with files_up_to(0):
        held = FileLock(lock)
        with pytest.raises(LogLocked, match="process unknown"):
            FileLock(lock)
    held.release()
    (tmp_path / "endpoint").mkdir()  # As little can be written to it.
    async with controller(Settings(home=tmp_path, port=0)) as cloud:
        assert cloud.port


async def test_a_file_is_no_data_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is no folder" in await refusal(Settings(home=tmp_path / "file", port=0))
