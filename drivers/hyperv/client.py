"""All that is said to a host goes through here: a few WinRM lines on threads of their own.

A question whose answer is lost can be asked again (`Unavailable`); an order may have been carried
out (`Unknown`). A caller that was cancelled leaves its order under way; the next order about the
same thing waits for it, so that an undo never overtakes what it undoes.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.hyperv import errors
from drivers.hyperv.address import Route
from drivers.hyperv.line import Full, Late, Line, LineDown, NotLetIn, Untrusted
from drivers.hyperv.words import Cmd, Statement, objects
from drivers.kit.tls import shown_by, untrusted

LINES_MAX = 4
CLOSE_S = 3.0
SLACK_S = 45.0
MARK = "\u001esagastack\u001e"


class Client:
    """One host. `ask` and `order` run statements; each answers with a list for each statement."""

    def __init__(
        self, route: Route, username: str, password: str, *, connect_s: float, verb_s: float
    ) -> None:
        self.route = route
        self._credentials = (username, password)
        self._connect_s, self._verb_s = connect_s, verb_s
        self._idle: list[Line] = []
        self._room = asyncio.Semaphore(LINES_MAX)
        self._pool = ThreadPoolExecutor(LINES_MAX * 2, thread_name_prefix=f"hyperv {route}")
        self._under_way: dict[UUID, set[asyncio.Future[Any]]] = {}
        self._closed = False

    async def open(self) -> None:
        """Connect now, so that a wrong address or password is known at once."""
        self._idle.append(await self._new_line("connect"))

    async def ask(
        self, *statements: Statement, doing: str, timeout_s: float | None = None
    ) -> list[list[Any]]:
        """Look, and change nothing; asked again once if the line broke."""
        for last in (False, True):
            try:
                return await self._say(statements, doing, timeout_s)
            except LineDown as down:
                if last:
                    raise Unavailable(f"{doing}: {down}") from down
            except Late:
                raise Unavailable(f"{doing}: {self.route} gave no answer in time") from None
            except errors.CommandFailed as failed:
                raise errors.of_command(failed, doing=doing) from failed
        raise AssertionError("not reached")

    async def order(
        self,
        *statements: Statement,
        about: UUID,
        doing: str,
        timeout_s: float | None = None,
    ) -> list[list[Any]]:
        try:
            return await self.raw(*statements, about=about, doing=doing, timeout_s=timeout_s)
        except errors.CommandFailed as failed:
            raise errors.of_command(failed, doing=doing) from failed

    async def raw(
        self,
        *statements: Statement,
        about: UUID,
        doing: str,
        timeout_s: float | None = None,
    ) -> list[list[Any]]:
        """An order whose failure is told as PowerShell told it."""
        limit_s = timeout_s or self._verb_s
        if earlier := self._under_way.get(about):
            _, pending = await asyncio.wait(set(earlier), timeout=limit_s)
            if pending:
                raise Unavailable(f"{doing}: an earlier call is still under way")
        for last in (False, True):
            try:
                return await self._say(statements, doing, timeout_s, about)
            except LineDown as down:
                if down.said or last:
                    kind: type[DriverError] = Unknown if down.said else Unavailable
                    raise kind(f"{doing}: {down}") from down
            except Late:
                raise Unknown(f"{doing}: {self.route} did not end it in time") from None
        raise AssertionError("not reached")

    async def close(self) -> None:
        self._closed = True
        idle, self._idle = self._idle, []
        loop = asyncio.get_running_loop()
        closing = [loop.run_in_executor(self._pool, line.close) for line in idle]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_S)
        self._pool.shutdown(wait=False)

    async def _say(
        self,
        statements: tuple[Statement, ...],
        doing: str,
        timeout_s: float | None,
        about: UUID | None = None,
    ) -> list[list[Any]]:
        limit_s = timeout_s or self._verb_s
        async with self._room:
            line = self._idle.pop() if self._idle else await self._new_line(doing)
            loop = asyncio.get_running_loop()
            deadline_s = time.monotonic() + limit_s
            heard: list[list[Any]] = [[]]

            def hear(value: Any) -> None:
                if value == MARK:
                    heard.append([])
                else:
                    heard[-1].append(value)

            def work() -> None:
                line.run(_marked(statements), deadline_s=deadline_s, heard=hear)

            answer = loop.run_in_executor(self._pool, work)
            self._note(answer, about, line)
            try:
                async with asyncio.timeout(limit_s + SLACK_S):
                    await asyncio.shield(answer)
            except TimeoutError:
                raise Late from None
            if len(heard) <= len(statements):
                raise LineDown(f"{self.route}: its answer ends too soon", said=True)
            try:
                return [
                    objects(said) if one.wants_json else said
                    for one, said in zip(statements, heard, strict=False)
                ]
            except ValueError as error:
                raise LineDown(f"{self.route}: its answer is no JSON: {error}", said=True) from None

    def _note(self, answer: asyncio.Future[Any], about: UUID | None, line: Line) -> None:
        """Remember what is under way; whoever waited may be gone when it ends."""
        if about is not None:
            self._under_way.setdefault(about, set()).add(answer)
        answer.add_done_callback(lambda done: self._ended(done, about, line))

    def _ended(self, answer: asyncio.Future[Any], about: UUID | None, line: Line) -> None:
        error = None if answer.cancelled() else answer.exception()
        if about is not None and (others := self._under_way.get(about)) is not None:
            others.discard(answer)
            if not others:
                del self._under_way[about]
        whole = not answer.cancelled() and isinstance(error, errors.CommandFailed | None)
        if whole and not self._closed:
            self._idle.append(line)
            return
        stale = [line]
        if isinstance(error, LineDown):  # what broke one has broken them all
            stale, self._idle = [line, *self._idle], []
        for one in stale:
            _end(one)

    async def _new_line(self, doing: str) -> Line:
        if self._closed:
            raise Unavailable(f"{self.route}: this session is closed: connect again")
        line = Line(self.route, *self._credentials, connect_s=self._connect_s)
        opening = asyncio.get_running_loop().run_in_executor(self._pool, line.open)
        opening.add_done_callback(_forgotten)
        try:
            async with asyncio.timeout(self._connect_s + SLACK_S):
                await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(lambda _: _end(line))
            raise
        except TimeoutError:
            opening.add_done_callback(lambda _: _end(line))
            raise Unavailable(f"{doing}: {self.route} does not answer") from None
        except LineDown as down:
            raise Unavailable(f"{doing}: {down}") from down
        except Full as full:
            raise Unavailable(f"{doing}: {self.route} opens no more shells: {full}") from full
        except NotLetIn as error:
            raise Refused(
                f"{doing}: {self.route} does not let {self._credentials[0]} in: check the name "
                f"and the password, and that the account may use WinRM ({error})"
            ) from error
        except Untrusted as error:
            await self._explain(error)
        return line

    async def _explain(self, error: Untrusted) -> None:
        """Say which certificate was shown, and what to do about it."""
        route = self.route
        if route.trust.pin:
            seen = await shown_by(route.host, route.port)
            raise Refused(
                f"{route} shows another certificate than the one that is pinned ({seen}): if it "
                f"was renewed, update the host's URL with pin={seen}; if not, somebody is between"
            ) from error
        raise await untrusted(route.host, route.port, error) from error


def _marked(statements: tuple[Statement, ...]) -> list[Statement]:
    """With a mark after each, so that one that says nothing is told from the next."""
    mark = Statement((Cmd("Write-Output", (("InputObject", MARK),)),))
    return [part for one in statements for part in (one, mark)]


def _end(line: Line) -> None:
    """Close one that nobody uses, which asks its host: on a thread that outlives the client's."""
    asyncio.get_running_loop().run_in_executor(None, line.close).add_done_callback(_forgotten)


def _forgotten(done: asyncio.Future[Any]) -> None:
    """Ask for the error, lest asyncio complains that nobody did."""
    if not done.cancelled():
        done.exception()
