"""Going through very many things without keeping the event loop from everybody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")
MOST = 200


async def pieces(
    things: Iterable[T], most: int = MOST, *, turns: int = 1
) -> AsyncIterator[list[T]]:
    """So many at a time; between two of them whatever else is due has its turn, or several: what
    can wait leaves more of a busy loop to others.

    The cloud goes on meanwhile: `things` must be what it was at one moment, as an iterator of
    something that is kept by itself is.
    """
    rest = iter(things)
    while some := list(islice(rest, most)):
        yield some
        for _ in range(turns):
            await turn()


async def free(things: list[Any] | dict[Any, Any], most: int = MOST) -> None:
    """Let go of very many things, so many at a time: whoever drops their list frees all at once."""
    drop = things.pop if isinstance(things, list) else things.popitem
    while things:
        for _ in range(min(most, len(things))):
            drop()
        await turn()


@coroutine
def turn() -> Iterator[None]:
    """Wait until the event loop has gone around once."""
    yield
