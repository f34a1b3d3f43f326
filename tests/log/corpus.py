"""Logs that earlier releases wrote, kept for ever: `tests/log/releases/<release>/*.jsonl.gz`.

At a release, `python -m tests.log.corpus RELEASE FOLDER...` picks from the SQLite logs below the
folders (what tests left: `pytest --basetemp=FOLDER tests/tenant ...`) as few as hold nearly all the
topics that there are in any, and samples of the rest. What was put there is never changed.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from uuid import UUID

import msgspec

from engine.log import Stored
from engine.log.stores import open_store

RELEASES = Path(__file__).parent / "releases"
LOGS = ("log.db", "log.sqlite")
PAGE = 1_000
SAMPLES = "samples.jsonl.gz"
WORTH_A_LOG = 3
# How the first row of a whole cloud's log says what was asked for.
BEGIN = b'"do":"SYSTEM.BEGIN"'


class Line(msgspec.Struct):
    """A row as it lay in the store: `state` is kept byte for byte."""

    position: int
    stream: UUID
    version: int
    topic: str
    state: msgspec.Raw


def corpora() -> list[Path]:
    return sorted(RELEASES.glob("*/*.jsonl.gz"))


def read(path: Path) -> Iterator[Stored]:
    with gzip.open(path) as file:
        for text in file:
            one = msgspec.json.decode(text, type=Line)
            yield Stored(one.position, one.stream, one.version, one.topic, bytes(one.state))


def write(path: Path, rows: Iterable[Stored]) -> None:
    """The same rows give the same bytes."""
    lines = [
        msgspec.json.encode(Line(p, stream, version, topic, msgspec.Raw(state)))
        for p, stream, version, topic, state in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n", mtime=0))


def fill(url: str, rows: Sequence[Stored]) -> None:
    """Put rows into an empty store."""
    store = open_store(url)
    try:
        with store.turn() as turn:
            turn.insert(rows, [])
    finally:
        store.close()


def rows_of(path: Path) -> list[Stored]:
    store = open_store(f"sqlite://{path}", read_only=True)
    try:
        found: list[Stored] = []
        while page := store.rows(len(found), None, PAGE):
            found += page
        return found
    finally:
        store.close()


def few_that_hold_most(topics: dict[Path, set[str]], size: dict[Path, int]) -> Iterator[Path]:
    """One after the other, the log that adds the most topics for its size."""
    held: set[str] = set()
    while worth := [path for path in topics if len(topics[path] - held) >= WORTH_A_LOG]:
        best = max(worth, key=lambda path: len(topics[path] - held) / (300 + size[path]))
        held |= topics[best]
        yield best


def main(release: str, *folders: str) -> None:
    logs = [path for folder in folders for name in LOGS for path in Path(folder).rglob(name)]
    topics, size = {}, {}
    for path in sorted(logs):
        rows = rows_of(path)
        if rows and BEGIN in rows[0].state:
            topics[path], size[path] = {row.topic for row in rows}, len(rows)
    left = set().union(*topics.values())
    for number, path in enumerate(few_that_hold_most(topics, size), 1):
        target = RELEASES / release / f"{number:02}.jsonl.gz"
        write(target, rows_of(path))
        left -= topics[path]
        print(f"{target.name}: {size[path]} events, {len(topics[path])} topics")
    samples = []
    for topic in sorted(left):
        path = next(path for path, held in topics.items() if topic in held)
        samples.append(next(row for row in rows_of(path) if row.topic == topic))
    write(RELEASES / release / SAMPLES, samples)
    print(f"{len(samples)} topics by a sample; all there are in {len(logs)} logs")


if __name__ == "__main__":
    main(*sys.argv[1:])
