"""Threads for what may take long, of which none is waited for without end.

A look at a file on a server that is gone (a hard NFS mount) returns when that comes back, and
nothing can interrupt it. The pool that asyncio has by itself is six threads on two cores, so six
such looks hold up every other one, on whichever disk; and a process that ends waits for them all.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from engine.failure import Caught

log_ = logging.getLogger("sagastack.threads")

P = ParamSpec("P")
T = TypeVar("T")
Call = tuple["Future[Any]", Callable[[], Any]]

MOST = 64
LEAVE_S = 5.0
TELL_S = 60.0


class Threads(ThreadPoolExecutor):
    """asyncio's default executor (it takes no other class): as many threads as calls at a time.

    They end with the process whatever they do; who shuts them down waits `leave_s` for them.
    """

    def __init__(self, most: int = MOST, *, leave_s: float = LEAVE_S) -> None:
        super().__init__(most, "files")
        self._most, self._leave_s = most, leave_s
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._free = threading.Semaphore(0)
        self._gate = threading.Lock()
        self._made: list[threading.Thread] = []
        self._ended, self._told_s = False, -TELL_S

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        asked: Future[T] = Future()
        with self._gate:
            if self._ended:
                raise RuntimeError("nothing is begun any more: these threads were shut down")
            self._calls.put((asked, partial(fn, *args, **kwargs)))
            if not self._free.acquire(blocking=False):
                self._another()
        return asked

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Begin nothing more, and wait a while for what is under way."""
        with self._gate:
            self._ended = True
        self._calls.put(None)
        until_s = time.monotonic() + (self._leave_s if wait else 0.0)
        for thread in self._made:
            thread.join(max(0.0, until_s - time.monotonic()))
        if wait and (left := sum(one.is_alive() for one in self._made)):
            log_.warning("ending without %d calls that do not return: %s", left, SUSPECT)

    def _another(self) -> None:
        if len(self._made) < self._most:
            name = f"files-{len(self._made)}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            thread.start()
            self._made.append(thread)
        elif time.monotonic() - self._told_s >= TELL_S:
            self._told_s = time.monotonic()
            log_.error("all %d threads are at work, and others wait: %s", self._most, SUSPECT)

    def _work(self) -> None:
        while True:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                self._free.release()
                call = self._calls.get()
            if call is None:
                self._calls.put(None)
                return
            _make(*call)
            del call


SUSPECT = "look whether the disks answer on which images lie (NFS)"


def _make(asked: Future[Any], work: Callable[[], Any]) -> None:
    if not asked.set_running_or_notify_cancel():
        return
    with Caught() as caught:
        asked.set_result(work())
    if caught.error is not None:
        asked.set_exception(caught.error)
