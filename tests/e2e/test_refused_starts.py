"""A start that cannot be is one line that says why, and never a traceback."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from sagastack import cli
from sagastack.settings import BadSetting


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
