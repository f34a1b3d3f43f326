"""How what an account owns ends with it: each noun says it once, beside its intents.

    ending("vm", lambda vm: ExpungeVm(vm_id=vm.id), turn=GUESTS)

A noun that is only data needs no line: its record is removed. Turns are only an order that seldom
has to be repeated: what is refused because something else still needs it comes round again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from msgspec import Struct

GUESTS, THINGS, NETWORKS, VPCS, PEOPLE = 10, 50, 80, 90, 100

Ask = Callable[[Any], object]
# Given a cloud and an account, the rows that end with it.
Rows = Callable[[Any, UUID], Iterable[Any]]
# Given a cloud and a row, the jobs that are waited for before it is ended.
Waits = Callable[[Any, Any], Iterable[UUID]]


class Ending(Struct, frozen=True):
    """`ask` is what ends a row; `rows` finds an account's rows where no attribute says it.

    `waits` are jobs of others that use a row just now, and would be spoilt by its end.
    """

    ask: Ask
    turn: int = THINGS
    rows: Rows | None = None
    waits: Waits | None = None


ENDINGS: dict[str, Ending] = {}
# Nouns that name an account and stay when it has gone: they tell what was.
OUTLIVES = {"saga"}


def ending(
    kind: str,
    ask: Ask,
    *,
    turn: int = THINGS,
    rows: Rows | None = None,
    waits: Waits | None = None,
) -> None:
    """Say how a row of this noun is ended with its owner."""
    assert kind not in ENDINGS, f"{kind} ends in two ways"
    ENDINGS[kind] = Ending(ask, turn, rows, waits)


def outlives(kind: str) -> None:
    """Say that rows of this noun stay when the account that they name has gone."""
    OUTLIVES.add(kind)
