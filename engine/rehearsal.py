"""A data folder that is marked as a rehearsal never touches the world, whoever serves it.

`sagastack whatif` marks the folder of a fork. From then on only the simulator stands behind its
hosts, of whatever kind, and files that the log names outside the folder are looked for inside.
Who tells others of what happens (webhooks, traps, the relay) asks `is_rehearsal` first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

MARK = "rehearsal.json"
OUTSIDE = "outside"


def is_rehearsal(home: Path) -> bool:
    """Whether nothing that happens here may be told to the world, by webhook, trap or Kafka."""
    return (home / MARK).exists()


def mark_beside(settings: Iterable[Mapping[str, str]]) -> Path | None:
    """The mark, if a driver keeps its state in a folder that has one."""
    for one in settings:
        if one.get("state") and (mark := Path(one["state"]).with_name(MARK)).exists():
            return mark
    return None


def inside(home: Path, place: Path) -> Path:
    """A file of the log's: where it is, or in a rehearsal the place inside that stands for it."""
    if place.is_relative_to(home.absolute()) or not is_rehearsal(home):
        return place
    return home.absolute() / OUTSIDE / place.relative_to("/")
