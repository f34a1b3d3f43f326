"""What a start took, part by part: told in one line, once the door is open.

Processor time rather than the clock's, as that is the same whatever else the machine does. It
counts from the beginning of the process, so the first part holds the interpreter and all imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import process_time


class Milestones:
    def __init__(self) -> None:
        self._took: dict[str, float] = {}
        self._since_s = 0.0

    def reached(self, part: str, within: Mapping[str, float] | None = None) -> None:
        """A part is over; `within` are smaller ones of it that are known, in seconds."""
        now_s = process_time()
        known = within or {}
        self._took |= known
        self._took[part] = now_s - self._since_s - sum(known.values())
        self._since_s = now_s

    def __str__(self) -> str:
        told = ", ".join(f"{part} {took:.3f}" for part, took in self._took.items())
        return f"ready after {self._since_s:.3f} s of processor time: {told}"
