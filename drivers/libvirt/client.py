"""All that is said to libvirt goes through here, on threads, so that the event loop never waits.

One connection has one small pool of threads. Work is a plain function of the connection. Before
it runs, its thread asks whether the line is still up; if not, nothing was said yet, and the work
runs on a fresh line instead. A call that is late is given up: its thread may be stuck, so the
connection and the pool are replaced, and libvirt's keepalive ends the stuck thread.

Events only nudge: whoever waits looks again at what is really there, so a lost event costs a
moment and no more.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import libvirt

from drivers.contract.errors import Unavailable, Unknown
from drivers.libvirt import errors

KEEPALIVE_INTERVAL_S = 5
CLOSE_S = 5.0
REMOVED = "removed:"

Result = TypeVar("Result")
Connection = Any
Work = Callable[[Connection], Result]

_starting = threading.Lock()
_started = threading.Event()


class Watch:
    """What was heard of one guest. `heard` holds `lifecycle`, `reboot`, `removed:<alias>`."""

    def __init__(self) -> None:
        self.heard: set[str] = set()
        self._nudge = asyncio.Event()

    def tell(self, what: str) -> None:
        self.heard.add(what)
        self._nudge.set()

    async def news(self, *, at_most_s: float) -> None:
        """Wait until something is heard, or for `at_most_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await self._nudge.wait()
        self._nudge.clear()


@dataclass(slots=True, eq=False)
class Opened:
    """A connection, the events that it is asked to tell, and how many calls are under way on it.

    One that nobody uses any more is hung up when the last of them has ended: until then libvirt
    needs it, and what is merely forgotten is a client of the host for ever.
    """

    connection: Connection
    callbacks: list[int]
    calls: int = 0
    unused: bool = False


class Client:
    """One connection to one libvirt, healing itself. `dial` says the URI, making any tunnel.

    A host that has been silent for `silence_s` is taken for lost.
    """

    def __init__(
        self,
        dial: Callable[[], Awaitable[str]],
        *,
        name: str,
        credentials: tuple[str, str] = ("", ""),
        threads: int,
        connect_s: float,
        verb_s: float,
        silence_s: float = 15.0,
    ) -> None:
        self._keepalives = max(1, round(silence_s / KEEPALIVE_INTERVAL_S))
        self._dial = dial
        self._name = name
        self._credentials = credentials
        self._threads = threads
        self._connect_s = connect_s
        self._verb_s = verb_s
        self._loop = asyncio.get_running_loop()
        self._pool = self._new_pool()
        self._opened: Opened | None = None
        self._watches: dict[str, list[Watch]] = {}
        self._under_way: dict[UUID, set[asyncio.Future[Any]]] = {}
        self._opening = asyncio.Lock()
        self._closed = False

    async def read(
        self, work: Work[Result], *, doing: str, timeout_s: float | None = None
    ) -> Result:
        """Ask. A lost line or a late answer is `Unavailable`: asking again does no harm."""
        return await self._call(work, doing, changing=False, timeout_s=timeout_s)

    async def change(
        self,
        work: Work[Result],
        *,
        about: UUID,
        doing: str,
        timeout_s: float | None = None,
    ) -> Result:
        """Change `about`. A lost line or a late answer is `Unknown`.

        A caller that was cancelled leaves its call under way; the next change of the same thing
        waits for that call, so an undo never overtakes what it undoes.
        """
        limit_s = self._verb_s if timeout_s is None else timeout_s
        if earlier := self._under_way.get(about):
            _, pending = await asyncio.wait(set(earlier), timeout=limit_s)
            if pending:
                raise Unavailable(f"{self._name}: {doing}: an earlier call is still under way")
        return await self._call(work, doing, changing=True, timeout_s=timeout_s, about=about)

    @contextmanager
    def watch(self, guest_id: UUID) -> Iterator[Watch]:
        """Hear the events of one guest."""
        watch = Watch()
        listeners = self._watches.setdefault(str(guest_id), [])
        listeners.append(watch)
        try:
            yield watch
        finally:
            listeners.remove(watch)
            if not listeners:
                self._watches.pop(str(guest_id), None)

    async def open(self) -> None:
        """Connect now, so that a wrong address is known at once."""
        await self._connected()

    async def close(self) -> None:
        self._closed = True
        opened, self._opened = self._opened, None
        if opened is not None:
            with suppress(TimeoutError):  # every thread may be stuck on a dead line
                async with asyncio.timeout(CLOSE_S):
                    await self._loop.run_in_executor(self._pool, _hang_up, opened)
        self._pool.shutdown(wait=False)

    async def _call(
        self,
        work: Work[Result],
        doing: str,
        *,
        changing: bool,
        timeout_s: float | None,
        about: UUID | None = None,
    ) -> Result:
        limit_s = self._verb_s if timeout_s is None else timeout_s
        doing = f"{self._name}: {doing}"
        for _ in range(2):
            opened = await self._connected()
            answer = self._loop.run_in_executor(self._pool, _if_alive, opened.connection, work)
            opened.calls += 1
            answer.add_done_callback(partial(_left, opened))
            self._note(answer, about)
            try:
                async with asyncio.timeout(limit_s):
                    return await asyncio.shield(answer)
            except _LineDown:
                self._forget(opened)
            except libvirt.libvirtError as error:
                if errors.is_lost(error):
                    self._forget(opened)
                raise errors.of_call(error, doing=doing, changing=changing) from error
            except TimeoutError:
                self._give_up(opened)
                text = f"{doing}: no answer within {limit_s:g} s"
                raise (Unknown(text) if changing else Unavailable(text)) from None
        raise Unavailable(f"{doing}: the connection goes down as soon as it is up")

    def _note(self, answer: asyncio.Future[Any], about: UUID | None) -> None:
        """Remember what is under way; whoever waited may be gone when it ends."""
        if about is not None:
            self._under_way.setdefault(about, set()).add(answer)
        answer.add_done_callback(lambda done: self._ended(done, about))

    def _ended(self, answer: asyncio.Future[Any], about: UUID | None) -> None:
        if not answer.cancelled():
            answer.exception()  # it is asked for here, lest asyncio complains that nobody did
        if about is not None and (others := self._under_way.get(about)) is not None:
            others.discard(answer)
            if not others:
                del self._under_way[about]

    async def _connected(self) -> Opened:
        if self._closed:
            raise Unavailable(f"{self._name}: this session is closed: connect again")
        async with self._opening:
            if self._opened is None:
                self._opened = await self._open()
            return self._opened

    async def _open(self) -> Opened:
        doing = f"{self._name}: connect"
        try:
            async with asyncio.timeout(self._connect_s):
                return await self._opening_of(await self._dial())
        except libvirt.libvirtError as error:
            raise errors.of_connect(error, doing=doing) from error
        except TimeoutError:
            self._give_up(None)
            raise Unavailable(f"{doing}: no answer within {self._connect_s:g} s") from None

    async def _opening_of(self, uri: str) -> Opened:
        """One that comes when nobody waits for it any more is hung up."""
        opening = self._loop.run_in_executor(self._pool, self._open_in_thread, uri)
        try:
            return await asyncio.shield(opening)
        except (asyncio.CancelledError, TimeoutError):
            opening.add_done_callback(_came_late)
            raise

    def _open_in_thread(self, uri: str) -> Opened:
        _start_event_thread()
        kinds = [libvirt.VIR_CRED_AUTHNAME, libvirt.VIR_CRED_PASSPHRASE]
        connection = libvirt.openAuth(uri, [kinds, _answer, self._credentials], 0)
        with suppress(libvirt.libvirtError):  # a driver inside this process has no line to keep
            connection.setKeepAlive(KEEPALIVE_INTERVAL_S, self._keepalives)
        opened = Opened(connection, [])
        try:
            for event, heard in (
                (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_lifecycle),
                (libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, self._on_reboot),
                (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, self._on_removed),
            ):
                callback = connection.domainEventRegisterAny(None, event, heard, None)
                opened.callbacks.append(callback)
        except libvirt.libvirtError:
            _hang_up(opened)
            raise
        return opened

    def _on_lifecycle(self, _: Connection, domain: Any, *__: Any) -> None:
        self._post(domain.UUIDString(), "lifecycle")

    def _on_reboot(self, _: Connection, domain: Any, *__: Any) -> None:
        self._post(domain.UUIDString(), "reboot")

    def _on_removed(self, _: Connection, domain: Any, alias: str, *__: Any) -> None:
        self._post(domain.UUIDString(), f"{REMOVED}{alias}")

    def _post(self, guest: str, what: str) -> None:
        """From libvirt's thread to ours; a loop that closed meanwhile has nobody waiting."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tell, guest, what)

    def _tell(self, guest: str, what: str) -> None:
        for watch in self._watches.get(guest, ()):
            watch.tell(what)

    def _forget(self, opened: Opened) -> None:
        if self._opened is opened:
            self._opened = None
        if not opened.unused:
            opened.unused = True
            _hang_up_unused(opened)

    def _give_up(self, opened: Opened | None) -> None:
        """Leave a thread that may be stuck behind, with the line that it waits on."""
        if opened is not None:
            self._forget(opened)
        self._pool.shutdown(wait=False)
        self._pool = self._new_pool()

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix=f"libvirt {self._name}")


class _LineDown(Exception):
    """Found before anything was said."""


def _if_alive(connection: Connection, work: Work[Result]) -> Result:
    if not connection.isAlive():
        raise _LineDown
    return work(connection)


def _answer(questions: list[list[Any]], credentials: tuple[str, str]) -> int:
    """Give SASL the name and password of the host's address."""
    for question in questions:
        index = 0 if question[0] == libvirt.VIR_CRED_AUTHNAME else 1
        question[4] = credentials[index]
    return 0


def _left(opened: Opened, _: asyncio.Future[Any]) -> None:
    opened.calls -= 1
    _hang_up_unused(opened)


def _came_late(opening: asyncio.Future[Opened]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().unused = True
        _hang_up_unused(opening.result())


def _hang_up_unused(opened: Opened) -> None:
    """On a thread of its own: the host may be as silent as it was, until keepalive ends that."""
    if opened.unused and not opened.calls:
        threading.Thread(target=_hang_up, args=(opened,), name="libvirt end", daemon=True).start()


def _hang_up(opened: Opened) -> None:
    with suppress(libvirt.libvirtError):
        for callback in opened.callbacks:
            opened.connection.domainEventDeregisterAny(callback)
    with suppress(libvirt.libvirtError):
        opened.connection.close()


def _start_event_thread() -> None:
    """Run libvirt's own event loop, which keepalive and events need: one thread, once."""
    with _starting:
        if _started.is_set():
            return
        libvirt.registerErrorHandler(lambda *_: None, None)  # it prints to stderr otherwise
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_turn_for_ever, name="libvirt events", daemon=True).start()
        _started.set()


def _turn_for_ever() -> None:
    while True:
        with suppress(libvirt.libvirtError):
            libvirt.virEventRunDefaultImpl()
