"""A start that cannot be is one line that says why, and never a traceback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from cs import CloudStack

from engine.genesis import ADMIN_USER
from engine.log.stores import open_store
from engine.vault import VaultError
from sagastack import cli
from sagastack.boot import controller
from sagastack.settings import BadSetting, Settings
from tests.backups.past import Past
from tests.consumers.test_sse import free_port


def test_kafka_without_a_shared_store_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(tmp_path)]
    assert cli.main([*home, "serve", "--port", "0", "--kafka", "127.0.0.1:1"]) == 1
    told = capsys.readouterr().err
    assert "--store postgres://" in told
    assert "Traceback" not in told


def test_what_ends_a_running_controller_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(work: Coroutine[Any, Any, int]) -> None:
        work.close()
        inner = ExceptionGroup("tasks", [BadSetting("another came")])
        raise ExceptionGroup("tasks", [inner, BadSetting("and this")])

    monkeypatch.setattr(cli.uvloop, "run", fail)
    assert cli.main(["--home", str(tmp_path), "credentials"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "sagastack: another came",
        "sagastack: and this",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("SAGASTACK_PORT", "99999", "no port 99999"),
        ("SAGASTACK_PORT", "-5", "no port -5"),
        ("SAGASTACK_RECONCILE_S", "nan", "more than 0"),
        ("SAGASTACK_RECONCILE_S", "-1", "more than 0"),
        ("SAGASTACK_CHECKPOINT_EVENTS", "0", "1 or more"),
        ("SAGASTACK_STORE", "log.db", "sqlite:///FILE or postgres://"),
        ("SAGASTACK_DRIVER_EXTENSION", "folder=/no/such/folder", "put its extension.toml into /no"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    text: str,
) -> None:
    monkeypatch.setenv(variable, value)
    assert cli.main(["--home", str(tmp_path), "serve"]) == 1
    assert text in capsys.readouterr().err


async def sealed_cloud(home: Path) -> None:
    past = await Past.open(f"sqlite://{home}/log.db", home)
    await past.live(9)
    await past.seal()
    await past.log.close()


def test_a_cloud_whose_log_is_gone_does_not_begin_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What would be written over it is in the way of whoever puts the log back."""
    asyncio.run(sealed_cloud(tmp_path))
    log = tmp_path / "log.db"
    log.unlink()
    assert cli.main(["--home", str(tmp_path), "serve", "--port", "0"]) == 1
    assert "the log ends at 0" in capsys.readouterr().err
    store = open_store(f"sqlite://{log}", read_only=True)
    assert store.end() == 0
    store.close()


def without_sealed_store(home: Path) -> None:
    asyncio.run(sealed_cloud(home))
    (home / "secrets.db").unlink()


def test_a_cloud_whose_sealed_store_is_gone_does_not_go_on_with_an_empty_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody could sign in, and nothing would say why."""
    without_sealed_store(tmp_path)
    assert cli.main(["--home", str(tmp_path), "serve", "--port", "0"]) == 1
    told = capsys.readouterr().err
    assert "secrets.db is not there: put it back" in told and "--new-sealed-store" in told
    assert not (tmp_path / "secrets.db").exists()


async def test_it_goes_on_with_an_empty_one_on_purpose(tmp_path: Path) -> None:
    """The port that asks for no password is how an administrator gets in again."""
    async with controller(Settings(home=tmp_path, port=0)) as first:
        assert await first.credentials()
    (tmp_path / "secrets.db").unlink()
    port = free_port()
    anew = Settings(home=tmp_path, port=0, integration_port=port, new_sealed_store=True)
    async with controller(anew) as again:
        within = f"http://127.0.0.1:{port}/client/api?response=json&id={ADMIN_USER}&command="
        await asyncio.to_thread(urlopen, f"{within}updateUser&password=chosen")
        answer = await asyncio.to_thread(urlopen, f"{within}registerUserKeys")
        keys = json.load(answer)["registeruserkeysresponse"]["userkeys"]
        asked = CloudStack(again.endpoint, keys["apikey"], keys["secretkey"])
        assert await asyncio.to_thread(asked.listZones) == {}


async def test_the_key_of_the_sealed_store_lies_where_that_is_said(tmp_path: Path) -> None:
    """As `doctor` and `backup` read it: in the home or not, on SQLite too."""
    home, key = tmp_path / "home", tmp_path / "apart" / "key"
    key.parent.mkdir()
    async with controller(Settings(home=home, port=0, vault_key_file=key)):
        assert key.exists() and not (home / "secrets.db.key").exists()
    with pytest.raises(VaultError, match="SAGASTACK_VAULT_KEY_FILE"):
        key.rename(home / "secrets.db.key")
        async with controller(Settings(home=home, port=0, vault_key_file=key)):
            pass
    async with controller(Settings(home=home, port=0)) as again:
        assert await again.credentials()
