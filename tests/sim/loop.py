"""An event loop whose time is virtual: it jumps to the next timer whenever nobody has work.

What else could differ from run to run is taken out. Work for executors runs in place. The log's
writer thread stays a thread, but the loop waits for it, really waits, before time may go on; what
it committed in however many batches is handed over as one, after a virtual fsync. So a program
that takes its time and its randomness from here does the same thing in the same order every time.

The idea of a loop that jumps when everyone sleeps is that of trio's autojump clock.
"""

from __future__ import annotations

import asyncio
import queue
import selectors
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from engine.failure import Caught
from engine.log.writer import Batch, Pending, Writer

THREAD_S = 30.0
TURNS_MAX = 5_000_000
Call = tuple[Callable[..., Any], tuple[Any, ...]]


class Stalled(BaseException):
    """Nobody has work, no timer is due and the writer owes nothing: a deadlock; or the reverse."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """`commit_s` is how long a commit takes in virtual time."""

    def __init__(self, commit_s: float = 0.005, turns_max: int = TURNS_MAX) -> None:
        self.commit_s, self._turns_max = commit_s, turns_max
        self.owed = 0
        self.unexpected: list[str] = []
        self._turns = 0
        self._now_s = 0.0
        self._from_threads: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._committed: list[list[Call]] = []
        super().__init__(_Idle(self))
        self.set_exception_handler(self._note)

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An error that no task took: whoever runs the loop has to look at these."""
        error = context.get("exception")
        told = "".join(traceback.format_exception(error)) if error else ""
        self.unexpected.append(f"{context['message']}\n{told}")

    def time(self) -> float:
        return self._now_s

    def idle(self, wait_s: float | None) -> None:
        """Called when the loop would wait for `wait_s`: 0 while somebody has work."""
        self._turns += 1
        if self._turns == self._turns_max:
            raise Stalled(f"{self._turns} turns, and no end: something repeats for ever")
        if wait_s is not None and wait_s <= 0:
            return
        if self.owed:
            self._collect()
        elif wait_s is None:
            raise Stalled("every task waits for another")
        else:
            self._now_s += wait_s

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        """From another thread: kept until the loop asks for it."""
        if threading.current_thread() is threading.main_thread():
            return self.call_soon(callback, *args, context=context)
        self._from_threads.put((callback, args))
        return None

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """In place, once the log is at rest: a reader must not race with the writer."""
        if self.owed:
            self._collect()
        future = self.create_future()
        with Caught() as caught:
            future.set_result(func(*args))
        if caught.error is not None:
            future.set_exception(caught.error)
        return future

    def _collect(self) -> None:
        """Wait for all that the writer owes, and deliver it when its commit has taken its time."""
        arrived: list[Call] = []
        while self.owed:
            callback, args = self._from_threads.get(timeout=THREAD_S)
            batch = args[0] if args else None
            self.owed -= len(batch.units) if isinstance(batch, Batch) else 1
            last = arrived[-1] if arrived else None
            if isinstance(batch, Batch) and last is not None and last[0] == callback:
                arrived[-1] = (callback, (_joined(last[1][0], batch),))
            else:
                arrived.append((callback, args))
        self._committed.append(arrived)
        self.call_later(self.commit_s, self._deliver)

    def _deliver(self) -> None:
        for callback, args in self._committed.pop(0):
            self.call_soon(callback, *args)


class _Idle(selectors.SelectSelector):
    """A selector that never looks at a file: nothing in a simulation comes from outside."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        self._loop.idle(timeout)
        return []


def _joined(one: Batch, other: Batch) -> Batch:
    return Batch(
        units=[*one.units, *other.units],
        looks=[*one.looks, *other.looks],
        recorded=one.recorded + other.recorded,
        size_bytes=one.size_bytes + other.size_bytes,
    )


@contextmanager
def counted_writer() -> Iterator[None]:
    """Let the running virtual loop know of everything that a writer thread will answer."""
    put, stop = Writer.put, Writer.stop

    def owe() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.owed += 1

    def counted_put(self: Writer, pending: Pending) -> None:
        owe()
        put(self, pending)

    def counted_stop(self: Writer) -> None:
        owe()
        stop(self)

    with patch.object(Writer, "put", counted_put), patch.object(Writer, "stop", counted_stop):
        yield
