"""Nothing of any one machine, no key and no package index is ever committed.

The patterns are put together from pieces, so that this file does not match itself.
"""

from __future__ import annotations

import gzip
import re

import pytest

from tests.tidy.tree import ROOT, tracked

DOT = re.escape(".")
INDEXES = ("py" + "pi", "pythonhosted", "npm" + "js", "crates", "rubygems", "maven")
# Go's own modules are called by their host, which is no index; two hosts below it are.
GO = "(proxy|sum)" + DOT + "golang"
EXAMPLES = r"[\w.-]*\bexample\b|127\.|localhost\b"
"""Hosts that are nobody's, so a password for them is nobody's either."""

PATTERNS = {
    "the address of a package index": rf"\b({'|'.join((*INDEXES, GO))}){DOT}(org|com|io|dev)\b",
    "an index option": r"(?<!emit)(?<!\w)--(extra-)?(index|find)" + r"-(url|links)[ =]\S",
    "a path of one machine": r"(?<![\w.])/(ro" + r"ot/[\w.]|wo" + r"rk/\w|opt/wh" + r"eels)",
    "a home folder": r"(?<![\w.])/ho" + r"me/(?!\{)[a-z]\w+/",
    "a private key": r"BEGIN ([A-Z]+ )*PRIVATE" + r" KEY-----\s+[\w+/]{40}",
    "a cloud's access key": r"\b(AK" + r"IA[0-9A-Z]{16}|gh" + r"[pos]_\w{36})\b",
    "a password in an address": rf"\bhttps?://[^\s/:@{{}}]+:[^\s/:@{{}}]+@(?!{EXAMPLES})\w",
}


def stored(name: str) -> bytes:
    """What is in a file; logs of earlier releases are kept packed."""
    packed = (ROOT / name).read_bytes()
    return gzip.decompress(packed) if name.endswith(".jsonl.gz") else packed


def content(name: str) -> str:
    return stored(name).decode("utf-8", errors="replace")


def test_no_tool_left_its_copies() -> None:
    left = [name for name in tracked() if name.endswith((".orig", ".rej", ".bak", ".swp", "~"))]
    assert not left, f"left by a merge or an editor: {left}"


@pytest.mark.parametrize("what", PATTERNS)
def test_no_tracked_file_holds(what: str) -> None:
    pattern = re.compile(PATTERNS[what])
    found = []
    for name in tracked():
        text = content(name)
        found += [
            f"{name}:{text.count(chr(10), 0, match.start()) + 1} {match[0]}"
            for match in pattern.finditer(text)
        ]
    assert not found, f"{what}:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("the address of a package index", "https://" + INDEXES[0] + ".org/simple"),
        ("an index option", "--extra-index" + "-url https://a"),
        ("a path of one machine", "see /ro" + "ot/notes"),
        ("a private key", "-----BEGIN RSA PRIVATE" + " KEY-----\n" + "A" * 64),
        ("a password in an address", "http" + "://user:word@mirror.internal"),
    ],
)
def test_the_patterns_find_what_they_name(what: str, text: str) -> None:
    assert re.search(PATTERNS[what], text)


def test_no_tracked_file_is_binary() -> None:
    binary = [name for name in tracked() if b"\0" in stored(name)]
    assert not binary, "build it from source instead:\n" + "\n".join(binary)


def test_scripts_can_be_run() -> None:
    """A file that begins with an interpreter is executable, except inside the guest's image."""
    plain = []
    for name in tracked():
        script = content(name).startswith("#!") and not name.startswith("guest/")
        if script and not (ROOT / name).stat().st_mode & 0o100:
            plain.append(name)
    assert not plain, "chmod +x:\n" + "\n".join(plain)
