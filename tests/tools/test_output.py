"""What a command says arrives whole, however little of it the system takes at a time."""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from sagastack import cli
from sagastack.output import whole_output


class Narrow(io.RawIOBase):
    """Takes a thousand bytes at a time, as a pipe does that is nearly full."""

    def __init__(self) -> None:
        self.told = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(data)[:1000]  # type: ignore[call-overload]
        self.told += part
        return len(part)


@pytest.mark.parametrize("mended", [True, False])
def test_all_of_a_long_text_is_written(monkeypatch: pytest.MonkeyPatch, mended: bool) -> None:
    narrow = Narrow()
    out = io.TextIOWrapper(narrow, encoding="utf-8", write_through=True)  # type: ignore[type-var]
    monkeypatch.setattr(sys, "stdout", out)
    text = "a line\n" * 20_000
    with whole_output() if mended else nullcontext():
        print(text, end="")
        sys.stdout.buffer.write(b"and bytes\n" * 1000)
    arrived = narrow.told == text.encode() + b"and bytes\n" * 1000
    assert arrived is mended, "Python has learned it: `whole_output` may go"
    assert sys.stdout is out and not narrow.closed


ASKED = (
    "import sys; from sagastack.output import reader_gone; "
    "sys.stdin.read(); print(reader_gone(), file=sys.stderr)"
)


@pytest.mark.parametrize("closed", [True, False])
def test_a_reader_that_closed_is_known(closed: bool) -> None:
    asked = subprocess.Popen(
        [sys.executable, "-c", ASKED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert asked.stdin and asked.stdout and asked.stderr
    if closed:
        asked.stdout.close()
    asked.stdin.close()
    assert asked.stderr.read().strip() == str(closed)
    asked.wait(60)


@pytest.mark.parametrize("gone", [True, False])
def test_only_the_readers_going_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gone: bool
) -> None:
    async def tool(*_: object) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    found = argparse.ArgumentParser()
    found.set_defaults(tool=tool, log_level="warning")
    monkeypatch.setattr(cli, "parser", lambda **_: found)
    monkeypatch.setattr(cli, "reader_gone", lambda: gone)
    assert cli.main([]) == (0 if gone else 1)
    assert capsys.readouterr().err == ("" if gone else "sagastack: [Errno 32] Broken pipe\n")
