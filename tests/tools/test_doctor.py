"""The doctor tells what is wrong, whatever it is, and what to do; it never fails of it itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.log.seal import PUBLIC_KEY, SEALS
from sagastack.doctor import Check, examine
from sagastack.settings import Settings
from tests.backups.past import Past


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A data folder with a sealed log and a sealed store, and no controller."""
    folder = tmp_path / "home"
    folder.mkdir()
    past = await Past.open(f"sqlite://{folder}/log.db", folder)
    await past.live(3)
    await past.seal()
    await past.log.close()
    return folder


async def wrong(settings: Settings) -> dict[str, Check]:
    """What is needed and not well, by its name."""
    return {one.name: one for one in await examine(settings) if one.needed and not one.ok}


def lost(name: str) -> Callable[[Path], None]:
    return lambda home: (home / name).unlink()


def written(name: str, text: str) -> Callable[[Path], None]:
    def damage(home: Path) -> None:
        (home / name).write_text(text)

    return damage


@pytest.mark.parametrize(
    ("damage", "where", "found", "remedy"),
    [
        (lost(PUBLIC_KEY), "log", "seal.pub is not", "restore"),
        (written(SEALS, "{\n"), "log", "line 1 of", "restore"),
        (lost(SEALS), "log", "under 0 seals", "put your copy of them back"),
        (lost("log.db"), "log", "log.db is gone", "from a backup"),
        (written("log.db", "no database"), "log", "not a database", "from a backup"),
        (written("log.db", ""), "log", "there is no log at", "from a backup"),
        (lost("secrets.db"), "sealed store", "secrets.db is gone", "put it back"),
        (written("secrets.db", ""), "sealed store", "secrets.db is gone", "put it back"),
        (written("secrets.db", "no database"), "sealed store", "cannot be opened", "put it back"),
        (written("secrets.db.key", "k" * 32), "sealed store", "is not the key", "put it back"),
    ],
)
async def test_damage_is_told(
    home: Path, damage: Callable[[Path], None], where: str, found: str, remedy: str
) -> None:
    assert await wrong(Settings(home=home)) == {}
    damage(home)
    told = await wrong(Settings(home=home))
    assert list(told) == [where], told
    assert found in told[where].found and remedy in told[where].remedy, told


async def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    """Whether something on the way to it is no folder, or there is no way yet."""
    (tmp_path / "file").write_text("")
    for name in ("file", "file/home"):
        (check,) = (await wrong(Settings(home=tmp_path / name))).values()
        assert f"{tmp_path / 'file'} is no folder" in check.remedy
    assert await wrong(Settings(home=tmp_path / "not/yet/there")) == {}


async def test_a_database_that_is_away_is_told(home: Path) -> None:
    told = await wrong(Settings(home=home, store="postgres://127.0.0.1:1/x"))
    assert list(told) == ["log"] and "see that the database runs" in told["log"].remedy
