"""A start that cannot be is one line that says why, and never a traceback."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from engine.log.stores import open_store
from sagastack import cli
from sagastack.settings import BadSetting
from tests.backups.past import Past


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
