"""A container counts as started once libvirt knows its first process, or is started anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import libvirt
import pytest

from drivers.libvirt import begun

GUEST = uuid4()


class Domain:
    """One that answers a signal in this way."""

    def __init__(self, words: str) -> None:
        self.words = words

    def sendProcessSignal(self, process: int, number: int, flags: int) -> None:
        assert (process, number) == (1, 0), "a signal that does nothing, to the first process"
        if self.words:
            error = libvirt.libvirtError(self.words)
            error.args = (self.words,)  # else it says what this thread's last error was, if any
            raise error


@pytest.mark.parametrize(
    ("domain", "known"),
    [
        (Domain(""), True),
        (Domain(f"Requested operation is not valid: {begun.UNKNOWN}"), False),
        (Domain("the host is away"), True),
        (None, True),
    ],
)
def test_what_a_signal_that_does_nothing_tells(
    domain: Domain | None, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(begun, "active", lambda connection, guest_id: domain)
    connection: Any = None
    assert begun.is_known(connection, GUEST) is known


class Client:
    """Knows the first process after so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks, self.asked = looks, 0

    @contextmanager
    def watch(self, guest_id: object) -> Iterator[Client]:
        yield self

    async def news(self, *, at_most_s: float) -> None: ...

    async def read(self, work: object, *, doing: str) -> bool:
        self.asked += 1
        return self.asked > self.looks


@pytest.mark.parametrize(("looks", "known"), [(0, True), (3, True), (10**6, False)])
async def test_it_is_looked_for_a_while(looks: int, known: bool) -> None:
    client: Any = Client(looks)
    assert await begun.begun(client, GUEST) is known
    assert client.asked == min(looks + 1, begun.LOOKS)
