"""Which thing a person means by a name: what bears it, what bore it once, and which it may be."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import msgspec

from aggregates.errors import NotFound
from engine.log import Log, LogError, codec
from projections.cloud import Cloud

MOST = 20


def check_kinds(kinds: Iterable[str], known: Collection[str]) -> None:
    """`NotFound` names those that are none, and what there is."""
    if unknown := sorted(set(kinds) - set(known)):
        raise NotFound(
            f"there is no kind {', '.join(unknown)}; kinds are {', '.join(sorted(known))}"
        )


async def find(
    log: Log, clouds: Sequence[Cloud], kind: str, text: str, until: int, *, alone: bool = False
) -> UUID:
    """The stream of a thing by its id or by a name that it has in these clouds, or once had.

    What has the name goes before what had it, which is told on stderr, unless it must be `alone`.
    `NotFound` says what is missing, or what there is if the name may mean several.
    """
    if (stream := _id(text)) is not None:
        return await _known(log, kind, stream, until)
    has: dict[UUID, None] = {}
    for cloud in clouds:
        has |= {row.id: None for row in cloud.table(kind) if getattr(row, "name", None) == text}
    ever = list(dict.fromkeys([*has, *await _called(log, kind, text, until)]))
    if not ever:
        raise NotFound(f"no {kind} is, or ever was, called {text}: give its id")
    lines = "\n".join(_bearers(ever, clouds[-1], kind, text))
    several = f"{text} is, or was, the name of {len(ever)} of kind {kind}"
    meant = list(has) if has and not alone else ever
    if len(meant) > 1:
        raise NotFound(f"{several}: give the id of the one that is meant\n{lines}")
    if len(ever) > 1:
        print(f"{several}; this is {meant[0]}, name another by its id\n{lines}", file=sys.stderr)
    return meant[0]


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _known(log: Log, kind: str, stream: UUID, until: int) -> UUID:
    """The log must have it, and as this kind."""
    found = await log.read_stream(stream)
    if not found or found[0].event.KIND != kind:
        raise NotFound(f"the log knows no {kind} {stream}")
    if found[0].position > until:
        raise NotFound(f"the log knows no {kind} {stream} by then")
    return stream


def _bearers(ever: Sequence[UUID], cloud: Cloud, kind: str, text: str) -> Iterable[str]:
    """A line for each: its id, and what became of it."""
    for one in ever[:MOST]:
        row = cloud.table(kind).get(one)
        name = getattr(row, "name", text)
        now = "removed" if row is None else "is there" if name == text else f"is now called {name}"
        yield f"  {one}  {now}"
    if len(ever) > MOST:
        yield f"  and {len(ever) - MOST} more"


async def _called(log: Log, kind: str, name: str, until: int) -> list[UUID]:
    """Every stream of a kind that ever had this name, in the order in which they got it."""
    found: dict[UUID, None] = {}
    after, sought = 0, msgspec.json.encode(name)
    while page := await log.read_stored(after, until=until):
        for row in page:
            if row.topic.startswith(f"{kind}.") and sought in row.state:
                try:
                    event = codec.decode(row).event
                except LogError:
                    continue
                changed = getattr(event, "changed", None)
                renamed = changed.get("name") if isinstance(changed, dict) else None
                if name in (getattr(event, "name", None), renamed):
                    found[row.stream] = None
        after = page[-1].position
    return list(found)
