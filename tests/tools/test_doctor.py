"""The doctor tells what is wrong, whatever it is, and what to do; it never fails of it itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.log.seal import PUBLIC_KEY, SEALS
from sagastack.check import Check
from sagastack.doctor import examine
from sagastack.settings import ENDPOINT_FILE, BadSetting, Settings
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


async def test_what_a_driver_does_not_take_is_told_by_its_variable(home: Path) -> None:
    told = await wrong(Settings(home=home, simulator={"bogus": "1"}))
    assert list(told) == ["drivers"] and "SAGASTACK_SIMULATOR" in told["drivers"].found
    told = await wrong(Settings(home=home, drivers={"nosuch": {"a": "1"}}))
    assert "SAGASTACK_DRIVER_NOSUCH" in told["drivers"].found
    assert not (home / "simulator.jsonl").exists()


async def test_a_misspelt_variable_is_told_with_the_right_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGASTACK_RECONCILE", "3")
    monkeypatch.setenv("SAGASTACK_REQUIRE_PEERS", "1")
    (told,) = [one for one in await examine(Settings(home=home)) if one.name == "environment"]
    assert told.found == "SAGASTACK_RECONCILE says nothing: SAGASTACK_RECONCILE_S would"


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_a_port_that_something_else_has_is_told(home: Path) -> None:
    silent = await asyncio.start_server(_hang_up, "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        (told,) = [
            one for one in await examine(Settings(home=home, port=port)) if one.name == "server"
        ]
        (home / ENDPOINT_FILE).write_text(f"http://127.0.0.1:{port}/client/api\n")
        (hung,) = [one for one in await examine(Settings(home=home)) if one.name == "server"]
    assert not told.ok and "is no controller" in told.found and "--port" in told.remedy
    assert not hung.ok and "does not answer as a controller" in hung.found, hung
    (told,) = [one for one in await examine(Settings(home=home, port=port)) if one.name == "server"]
    assert told.ok and told.found == f"none runs; 127.0.0.1:{port} is free"


@pytest.mark.parametrize(
    ("variable", "text", "why"),
    [
        ("SAGASTACK_PORT", "eighty", "it is a whole number"),
        ("SAGASTACK_RECONCILE_S", "soon", "it is a number of seconds"),
        ("SAGASTACK_SIMULATOR", "fast", "name=value, joined by commas"),
    ],
)
def test_what_is_not_understood_is_told_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, why: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(BadSetting, match=f"{variable}={text} is not understood: .*{why}"):
        Settings.from_environment()
