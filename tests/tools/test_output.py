"""What a command says arrives whole, however little of it the system takes at a time."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import socket
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from sagastack import cli
from sagastack.output import in_words, whole_output
from tests.proofs.tenants import tenants
from tests.tools.run import run_tool


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


async def lived(home: Path, rounds: int) -> str:
    """An account of a log in this folder."""
    one = await tenants(f"sqlite://{home}/log.db", home, count=1)
    await one.live(seed=1, rounds=rounds)
    await one.log.close()
    return str(one.accounts[0])


def command(line: str) -> subprocess.CompletedProcess[str]:
    """What a shell makes of it; each line is written at once."""
    return subprocess.run(
        f"{sys.executable} -m sagastack.cli {line}",
        shell=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "rounds"),
    [("export", 60), ("export --format cloudevents", 60), ("history account ID", 0)],
)
def test_output_that_is_refused_is_told_in_a_line(tmp_path: Path, words: str, rounds: int) -> None:
    """What was half read then ends without a word of its own."""
    account = asyncio.run(lived(tmp_path, rounds))
    done = command(f"--home {tmp_path} {words.replace('ID', account)} >/dev/full")
    assert done.returncode == 1
    assert done.stderr == "sagastack: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_leads_nowhere(tmp_path: Path, closed: str) -> None:
    asyncio.run(lived(tmp_path, 0))
    done = command(f"--home {tmp_path} export {closed}")
    assert done.returncode == 0 and not done.stderr
    assert bool(done.stdout) is (closed in ("<&-", "2>&-"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("verify /no/such/file", "/no/such/file is not there: check the path"),
        ("verify /", "/ is a folder: name a file"),
        ("export --out /", "/ is a folder: name a file"),
        ("export --out /dev/null/x", "/dev/null/x is not there: something on the way to it"),
        ("prove --account nobody --out FILE", "no account is, or ever was, called nobody"),
    ],
)
def test_what_cannot_be_opened_is_told_by_its_name(tmp_path: Path, words: str, told: str) -> None:
    """A number of the system says nothing, and no class of Python does."""
    asyncio.run(lived(tmp_path, 0))
    out = str(tmp_path / "out")
    status, _, err = run_tool("--home", str(tmp_path), *words.replace("FILE", out).split())
    assert status == 1 and err.startswith(f"sagastack: {told}"), err


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, _, err = run_tool("simulate", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert status == 1 and "choose another port" in err and "Errno" not in err


def test_words_of_an_error_nobody_foresaw() -> None:
    assert in_words(OSError(5, "Input/output error", "log.db")) == (
        "log.db cannot be used: Input/output error"
    )
