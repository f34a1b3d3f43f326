"""Waiting for tasks: one property collector tells of all of them, in one thread, by waiting.

A list view holds the tasks that somebody waits for; one filter looks through it, and
WaitForUpdatesEx answers when one of them changes. The thread lives while there is somebody to
tell. A line that drops costs no task: they go on at the vCenter, and a new collector is asked.

The vCenter's tasks outlive whoever waits. What is still under way for a guest or a disk is known
here, and the next change of the same thing waits for it, so an undo never overtakes what it undoes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from drivers.contract.errors import DriverError, Unavailable, Unknown
from drivers.vsphere import errors
from drivers.vsphere.client import Vcenter
from drivers.vsphere.sdk import Managed, vim, vmodl

TURN_S = 10
LINGER_S = 20.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 3.0
TOLD = ("info.state", "info.result", "info.error")
POWER = "runtime.powerState"
OVER = ("success", "error")


@dataclass(slots=True, eq=False)
class Wait:
    """An object that is waited for: what was heard of it, and who is to be told at its end."""

    ref: Managed
    ended: asyncio.Future[dict[str, Any]]
    heard: dict[str, Any] = field(default_factory=dict)
    listed: bool = False

    @property
    def over(self) -> bool:
        """A task that ended, or a machine that is off."""
        return (
            str(self.heard.get("info.state")) in OVER or str(self.heard.get(POWER)) == "poweredOff"
        )


class Tasks:
    """The tasks of one vCenter that somebody here waits for."""

    def __init__(self, vcenter: Vcenter) -> None:
        self._vcenter = vcenter
        self._loop = asyncio.get_running_loop()
        self._waits: dict[str, list[Wait]] = {}
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._thread: threading.Thread | None = None
        self._under_way: dict[UUID, set[asyncio.Future[Any]]] = {}
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._view: Any = None
        self._collector: Any = None
        self._broken = False
        self._gone: list[Managed] = []

    @asynccontextmanager
    async def turn(self, about: UUID) -> AsyncIterator[None]:
        """Changes of one thing take turns here, and each waits for the tasks of the one before."""
        lock = self._turns.setdefault(about, asyncio.Lock())
        async with lock:
            await self._settled(about)
            yield

    async def run(
        self,
        begin: Callable[[], Managed],
        *,
        about: UUID,
        doing: str,
        timeout_s: float | None = None,
        changing: bool = True,
    ) -> Any:
        """Begin a task, and answer with its result when it is over.

        Unknown: no answer, or it was not over in time; Unavailable if it changes nothing. A
        caller that is cancelled leaves it to go on, and whoever changes the same thing next waits
        for it.
        """
        limit_s = self._vcenter.settings.task_s if timeout_s is None else timeout_s
        began = self._vcenter.begin(begin)
        whole: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._note(about, whole)
        began.add_done_callback(lambda done: self._follow(done, whole))
        task = await self._vcenter.heard(
            began, doing, changing=changing, limit_s=self._vcenter.settings.verb_s
        )
        doing = f"{self._vcenter.place.server}: {doing}"
        try:
            async with asyncio.timeout(limit_s):
                end = await asyncio.shield(whole)
        except TimeoutError:
            text = f"{doing}: its task was not over after {limit_s:g} s"
            raise (Unknown(text) if changing else Unavailable(text)) from None
        if end.get("info.state") == "success":
            return end.get("info.result")
        if end.get("info.state") == "error":
            fault = end["info.error"]
            raise errors.of_fault(fault, doing=doing, changing=changing) from fault
        raise (Unknown if changing else Unavailable)(
            f"{doing}: the vCenter knows its task {task._moId} no more"
        )

    def _follow(self, began: asyncio.Future[Managed], whole: asyncio.Future[Any]) -> None:
        """The task has begun, whether or not its caller is still there: wait for its end."""
        if began.cancelled() or began.exception() is not None:
            if not whole.done():
                whole.set_result({})
            return
        self._add(Wait(began.result(), whole))

    async def until_off(self, machine: Managed, *, limit_s: float) -> bool:
        """Whether a machine is off before the time is over."""
        whole: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        wait = Wait(machine, whole)
        self._add(wait)
        try:
            async with asyncio.timeout(limit_s):
                return str((await whole).get(POWER)) == "poweredOff"
        except TimeoutError:
            return False
        finally:
            self._drop(wait)

    def _add(self, wait: Wait) -> None:
        with self._lock:
            self._waits.setdefault(wait.ref._moId, []).append(wait)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._listen, name="vsphere tasks", daemon=True
                )
                self._thread.start()
        self._news.set()
        self._nudge()

    def _nudge(self) -> None:
        """Let the thread, which may be waiting at the vCenter, hear of a new task at once."""
        view = self._view
        with self._lock:
            fresh = [one for waits in self._waits.values() for one in waits if not one.listed]
        if view is not None and fresh:
            self._vcenter.begin(lambda: self._list(view, fresh))

    def _list(self, view: Any, fresh: list[Wait]) -> None:
        for one in fresh:
            one.listed = True
        with self._lock:
            gone, self._gone = self._gone, []
        asked = [one.ref for one in fresh]
        wanted = {one._moId for one in asked} | set(self._waits)
        try:
            unknown = view.ModifyListView(
                add=asked, remove=[one for one in gone if one._moId not in wanted]
            )
        except (vmodl.MethodFault, *errors.LOST):
            self._broken = True
            raise
        for ref in unknown or ():
            self._over(ref._moId, {})

    def _listen(self) -> None:
        """The thread: as long as there is a task to wait for, hear of all of them together."""
        pause_s, version, seen = FIRST_PAUSE_S, "", -1
        while True:
            self._news.clear()
            if not self._waits and not self._vcenter.closed:
                self._news.wait(LINGER_S)
            with self._lock:
                if not self._waits or self._vcenter.closed:
                    self._thread = None
                    view, collector = self._view, self._collector
                    self._view = self._collector = None
                    break
            try:
                if self._collector is None or self._broken or seen != self._vcenter.logins:
                    seen, version = self._vcenter.logins, ""
                    self._start()
                version = self._hear(version)
                pause_s = FIRST_PAUSE_S
            except (vmodl.MethodFault, *errors.LOST) as error:
                self._collector = self._view = None
                if isinstance(error, vim.fault.NotAuthenticated) and self._again(seen):
                    continue
                self._news.wait(pause_s)
                self._news.clear()
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
        with suppress(vmodl.MethodFault, *errors.LOST):
            if collector is not None:
                collector.DestroyPropertyCollector()
                view.DestroyView()

    def _again(self, seen: int) -> bool:
        """Whether we are logged in again."""
        with suppress(vmodl.MethodFault, *errors.LOST):
            self._vcenter.login(seen)
            return True
        return False

    def _start(self) -> None:
        """A list view of the tasks, and a collector of our own that looks through it."""
        query, content = vmodl.query.PropertyCollector, self._vcenter.content
        view = content.viewManager.CreateListView()
        collector = content.propertyCollector.CreatePropertyCollector()
        through = query.TraversalSpec(name="list", type=vim.view.ListView, path="view", skip=False)
        told = [
            query.PropertySpec(type=vim.Task, pathSet=list(TOLD), all=False),
            query.PropertySpec(type=vim.VirtualMachine, pathSet=[POWER], all=False),
        ]
        collector.CreateFilter(
            query.FilterSpec(
                objectSet=[query.ObjectSpec(obj=view, skip=True, selectSet=[through])],
                propSet=told,
            ),
            False,
        )
        with self._lock:
            self._view, self._collector, self._broken = view, collector, False
            all_ = [one for waits in self._waits.values() for one in waits]
        if all_:
            self._list(view, all_)

    def _hear(self, version: str) -> str:
        options = vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=TURN_S)
        news = self._collector.WaitForUpdatesEx(version, options)
        if news is None:
            return version
        for part in news.filterSet:
            for change in part.objectSet:
                self._heard(change)
        return str(news.version)

    def _heard(self, change: Any) -> None:
        moid = change.obj._moId
        news = {one.name: one.val for one in change.changeSet}
        with self._lock:
            waits = list(self._waits.get(moid, ()))
            for wait in waits:
                wait.heard.update(news)
        for wait in waits:
            if wait.over:
                self._end(wait, {**wait.heard, "info.state": str(wait.heard.get("info.state"))})

    def _over(self, moid: str, end: dict[str, Any]) -> None:
        with self._lock:
            waits = list(self._waits.get(moid, ()))
        for wait in waits:
            self._end(wait, end)

    def _end(self, wait: Wait, end: dict[str, Any]) -> None:
        self._drop(wait)
        with suppress(RuntimeError):  # a loop that closed meanwhile has nobody waiting
            self._loop.call_soon_threadsafe(_tell, wait.ended, end)

    def _drop(self, wait: Wait) -> None:
        """Nobody waits any more; the view lets go of the object with the next that it is told."""
        with self._lock:
            waits = self._waits.get(wait.ref._moId, [])
            if wait in waits:
                waits.remove(wait)
                if not waits:
                    del self._waits[wait.ref._moId]
                    self._gone.append(wait.ref)

    def _note(self, about: UUID, whole: asyncio.Future[Any]) -> None:
        going = self._under_way.setdefault(about, set())
        going.add(whole)

        def ended(_: asyncio.Future[Any]) -> None:
            going.discard(whole)
            if not going:
                self._under_way.pop(about, None)

        whole.add_done_callback(ended)

    async def _settled(self, about: UUID) -> None:
        going = self._under_way.get(about)
        if not going:
            return
        limit_s = self._vcenter.settings.verb_s
        _, pending = await asyncio.wait(set(going), timeout=limit_s)
        if pending:
            raise Unavailable(
                f"{self._vcenter.place.server}: an earlier task for {about} is still under way"
            )

    def close(self) -> None:
        """Let the thread end; the vCenter is closed already."""
        self._news.set()

    async def settled_at(self, ref: Managed, about: UUID) -> bool:
        """Wait for tasks of an object that another controller, or a person, has begun.

        Whether there were any.
        """
        found = await self._vcenter.properties(
            vim.Task, ("info.state",), start=ref, along=((type(ref), "recentTask"),),
            doing="look for tasks under way",
        )  # fmt: skip
        going = [one for one in found if str(one.get("info.state")) in ("running", "queued")]
        for one in going:
            with suppress(DriverError):
                await self.run(partial(_itself, one.ref), about=about, doing="wait for a task")
        return bool(going)


def _tell(ended: asyncio.Future[dict[str, Any]], end: dict[str, Any]) -> None:
    if not ended.done():
        ended.set_result(end)


def _itself(task: Managed) -> Managed:
    return task
