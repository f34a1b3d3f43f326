"""Event topics only grow: a topic that was ever committed can be in somebody's log for ever."""

from __future__ import annotations

import re
import subprocess

from tests.tidy.tree import ROOT

GOLDEN = "tests/golden/events.txt"
SCHEMAS = "docs/events/schemas.jsonl"


def git(*arguments: str) -> str:
    command = ("git", "-c", "safe.directory=*", *arguments)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout


def test_no_topic_ever_disappears() -> None:
    now = set((ROOT / GOLDEN).read_text().split("\n")) if (ROOT / GOLDEN).exists() else set()
    # Only removed lines matter, so the history is read as one diff.
    history = git("log", "--format=", "--unified=0", "-p", "--", GOLDEN)
    ever = {line[1:] for line in history.splitlines() if line[:1] == "+" and line[:3] != "+++"}
    gone = sorted(line for line in ever - now if line.strip())
    assert not gone, f"{GOLDEN} lost topics; an old log still holds them: {gone}"


def test_no_schema_ever_disappears() -> None:
    """A row keeps the shape in which it was written, and names the schema of that shape."""
    history = git("log", "--format=", "--unified=0", "-p", "--", SCHEMAS)
    ever = set(re.findall(r'^\+.*?"\$id":"([^"]+)"', history, re.MULTILINE))
    now = set(re.findall(r'"\$id":"([^"]+)"', (ROOT / SCHEMAS).read_text()))
    assert now, f"{SCHEMAS} names no schema"
    assert not ever - now, f"{SCHEMAS} lost {sorted(ever - now)}: run `make golden`"
