"""One timer for many waits that may all take as long.

A timer for each request costs the loop more than many a request's own work, and next to none of
them ever fires. Waits of one length end in the order in which they began, so that only the first
needs to be waited for: the others are looked at when its time has come.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Literal


class Deadlines:
    """Each `with` block has `after_s` seconds; what takes longer is ended with a TimeoutError."""

    def __init__(self, after_s: float) -> None:
        self.after_s = after_s
        self._open: dict[Deadline, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> Deadline:
        """For one block in the task at work; as with `asyncio.timeout`, what it awaits is ended."""
        return Deadline(self)

    def begin(self, one: Deadline) -> None:
        loop = asyncio.get_running_loop()
        self._open[one] = end_s = loop.time() + self.after_s
        if self._timer is None:
            self._timer = loop.call_at(end_s, self._look)

    def end(self, one: Deadline) -> None:
        del self._open[one]

    def _look(self) -> None:
        """End what is overdue, and wait for the first of the others."""
        self._timer = None
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for one, end_s in self._open.items():
            if end_s > now_s:
                self._timer = loop.call_at(end_s, self._look)
                return
            one.expire()


class Deadline:
    """One block's."""

    __slots__ = ("_all", "_cancelling", "_is_over", "_task")

    def __init__(self, every: Deadlines) -> None:
        self._all = every
        self._is_over = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "only a task can be ended"
        self._task, self._cancelling = task, task.cancelling()
        self._all.begin(self)

    def expire(self) -> None:
        """End the block; the next look may find it still on its way out."""
        if not self._is_over:
            self._is_over = True
            self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        self._all.end(self)
        if self._is_over:
            # Who was cancelled by others as well is not overdue, but cancelled.
            is_ours = self._task.uncancel() <= self._cancelling
            if is_ours and kind is asyncio.CancelledError:
                raise TimeoutError from error
        return False
