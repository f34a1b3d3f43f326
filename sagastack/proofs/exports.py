"""Rows out of an export of CloudEvents: it holds them as they are stored, so the seals prove it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec

from engine.log import LogError, Stored


class NoRows(LogError):
    """A file whose events cannot be proved; the text says why and what to do."""


class CloudEvent(msgspec.Struct, frozen=True):
    """The attributes that a row is made of; `data` is its state, byte for byte."""

    type: str
    subject: UUID
    position: str
    version: str
    data: msgspec.Raw

    def stored(self) -> Stored:
        state = bytes(self.data)
        return Stored(int(self.position), self.subject, int(self.version), self.type, state)


_decode = msgspec.json.Decoder(CloudEvent).decode


def rows(path: Path) -> Iterator[Stored]:
    """The rows of an export, by lines or as one array."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            text = line.strip().removesuffix(b",")
            if text in (b"", b"[", b"]"):
                continue
            try:
                yield _decode(text).stored()
            except (msgspec.MsgspecError, ValueError) as wrong:
                raise NoRows(
                    f"line {number} of {path} is no row of a log ({wrong}): give backups, a proof, "
                    "or what `sagastack export --format cloudevents` wrote"
                ) from wrong


def end(path: Path) -> int:
    """The last position in the file; 0 if it holds none."""
    last = 0
    for row in rows(path):
        last = row.position
    return last
