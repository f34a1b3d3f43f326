"""What is plugged into a container that was only just started waits for its first process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from drivers.contract.errors import Unavailable
from drivers.libvirt import hotplug
from drivers.libvirt.errors import NOT_BEGUN


class Answers:
    """A client whose changes fail in turn as told, and then succeed."""

    def __init__(self, *words: str) -> None:
        self.words, self.asked, self.waited = list(words), 0, 0

    @contextmanager
    def watch(self, guest_id: UUID) -> Iterator[Answers]:
        yield self

    async def news(self, *, at_most_s: float) -> None:
        self.waited += 1

    async def change(self, work: Any, **about: Any) -> None:
        self.asked += 1
        if self.words:
            raise Unavailable(self.words.pop(0))


async def test_a_container_that_has_not_begun_is_asked_again() -> None:
    early = Answers(f"Cannot attach disk {NOT_BEGUN}", f"Cannot attach disk {NOT_BEGUN}")
    await hotplug.attach(early, uuid4(), uuid4(), "<interface/>")  # type: ignore[arg-type]
    assert (early.asked, early.waited) == (3, 2)


async def test_any_other_trouble_is_told_at_once() -> None:
    away = Answers("the host is away")
    with pytest.raises(Unavailable, match="away"):
        await hotplug.attach(away, uuid4(), uuid4(), "<interface/>")  # type: ignore[arg-type]
    assert (away.asked, away.waited) == (1, 0)


async def test_one_that_never_begins_is_told_of() -> None:
    never = Answers(*[NOT_BEGUN] * 100)
    with pytest.raises(Unavailable, match=NOT_BEGUN):
        await hotplug.attach(never, uuid4(), uuid4(), "<interface/>")  # type: ignore[arg-type]
