"""An example that cannot do what it is asked says so in a line, and never with a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EVENTS, DATABASE = "http://127.0.0.1:1/events", "postgres://a:hush@127.0.0.1:1/x"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"billing {EVENTS} nonsense", "write postgres://"),
        (f"cmdb {EVENTS} {DATABASE}?hush=1", "write postgres://"),
        ("notifier ftp://x http://127.0.0.1:1/", "write kafka://"),
        (f"notifier {EVENTS} nonsense", "write https://"),
        (f"notifier {EVENTS} http://127.0.0.1:1/ --every -3", "0 or more"),
    ],
)
def test_wrong_arguments_are_told_in_words(line: str, words: str) -> None:
    argv = (sys.executable, "-m", *f"consumers.examples.{line}".split())
    child = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert child.returncode in (1, 2), child.stdout
    assert words in child.stderr and "hush" not in child.stderr
    assert "Traceback" not in child.stderr
