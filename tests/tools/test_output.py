"""What a command says arrives whole, however little of it the system takes at a time."""

from __future__ import annotations

import io
import sys
from contextlib import nullcontext

import pytest

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
