"""All SOAP that is said to a vCenter goes through here, on threads: the event loop never waits.

One `Vcenter` serves every host of it that is connected. Sessions end (idle, or by an
administrator's hand): a call that is answered `NotAuthenticated` was not done, so it is repeated
after a new login, on the same stub, whose references stay good. A call that is late is given up:
its thread may be stuck, so threads and lines are replaced, and the socket's own limit ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.kit.tls import Trust, untrusted
from drivers.vsphere import errors
from drivers.vsphere.address import Place
from drivers.vsphere.sdk import VERSION, Managed, Stub, vim, vmodl
from drivers.vsphere.settings import Settings

T = TypeVar("T")

# vCenter's own rule: five wrong passwords in three minutes lock an account.
DENIED_S = 60.0
DENIED = "the user is not let in with this password any more: update the host with the new one"


class Denied(Refused):
    """The vCenter does not let the user in with this password."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object and those of its properties that were asked for; what has none is left out."""

    ref: Managed
    values: dict[str, Any]

    def get(self, name: str, otherwise: Any = None) -> Any:
        return self.values.get(name, otherwise)


class Pinned(ssl.SSLContext):
    """A client's context that takes exactly the pinned certificate, whatever else holds of it."""

    trust: Trust

    def wrap_socket(self, *args: Any, **named: Any) -> ssl.SSLSocket:
        line = super().wrap_socket(*args, **named)
        try:
            self.trust.check(line.getpeercert(binary_form=True), str(named.get("server_hostname")))
        except Refused:
            line.close()
            raise
        return line


def context_for(trust: Trust) -> ssl.SSLContext:
    if not trust.pin:
        return trust.context()
    pinned = Pinned(ssl.PROTOCOL_TLS_CLIENT)
    pinned.check_hostname, pinned.verify_mode = False, ssl.CERT_NONE
    pinned.trust = trust
    return pinned


class Vcenter:
    """One vCenter, logged in to, healing itself."""

    def __init__(self, place: Place, username: str, password: str, settings: Settings) -> None:
        self.place, self.settings = place, settings
        self._username, self._password = username, password
        self._loop = asyncio.get_running_loop()
        self._pool = self._new_pool()
        self.tls = context_for(place.trust)
        self.stub: Any = Stub(
            host=place.host,
            port=place.port,
            version=VERSION,
            sslContext=self.tls,
            poolSize=settings.threads + 2,
            httpConnectionTimeout=settings.verb_s,
        )
        self.service: Any = vim.ServiceInstance("ServiceInstance", self.stub)
        self.content: Any = None
        self._logins = 0
        self._login_lock = threading.Lock()
        self._denied_until_s = 0.0
        self.closed = False

    async def open(self) -> None:
        """Log in now, so that a wrong address, password or certificate is known at once."""
        doing = f"{self.place.server}: log in"
        try:
            async with asyncio.timeout(self.settings.connect_s):
                await self._loop.run_in_executor(self._pool, self.login, self._logins)
        except TimeoutError:
            self._give_up()
            limit_s = self.settings.connect_s
            raise Unavailable(f"{doing}: no answer within {limit_s:g} s") from None
        except vmodl.MethodFault as fault:
            if isinstance(fault, vim.fault.InvalidLogin):
                raise Denied(
                    f"{doing}: the vCenter does not know the user {self._username!r} with this "
                    "password: give them again"
                ) from fault
            raise errors.of_fault(fault, doing=doing, changing=False) from fault
        except errors.LOST as error:
            if errors.is_untrusted(error):
                raise await untrusted(self.place.host, self.place.port, error) from error
            raise Unavailable(f"{doing}: {error}") from error

    def login(self, seen: int) -> None:
        """Log in, unless somebody has since `seen` logins. From a thread.

        Who is not let in is not asked about again for a while: a vCenter locks an account that
        somebody tries with a wrong password, for everybody who uses it.
        """
        with self._login_lock:
            if self._logins != seen:
                return
            if time.monotonic() < self._denied_until_s:
                raise vim.fault.InvalidLogin(msg=DENIED)
            self.content = self.service.RetrieveContent()
            try:
                self.content.sessionManager.Login(self._username, self._password)
            except vim.fault.InvalidLogin:
                self._denied_until_s = time.monotonic() + DENIED_S
                raise
            self._logins += 1

    def renew(self) -> None:
        """Log in anew if our session has ended. From a thread."""
        seen = self._logins
        if self.content.sessionManager.currentSession is None:
            self.login(seen)

    @property
    def logins(self) -> int:
        return self._logins

    @property
    def cookie(self) -> str:
        """What proves our session to the vCenter's file access, as a header's value."""
        return str(self.stub.cookie).split(";")[0]

    async def read(self, work: Callable[[], T], *, doing: str, timeout_s: float | None = None) -> T:
        """Ask. A lost line is tried once more; then it, or a late answer, is `Unavailable`."""
        return await self._call(work, doing, changing=False, timeout_s=timeout_s)

    async def change(
        self, work: Callable[[], T], *, doing: str, timeout_s: float | None = None
    ) -> T:
        """Change something by one call. A lost line or a late answer is `Unknown`."""
        return await self._call(work, doing, changing=True, timeout_s=timeout_s)

    def begin(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """A call on its way, whose caller may leave it; `heard` makes errors of what it raises."""
        answer = self._loop.run_in_executor(self._pool, self._try, work)
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        return answer

    async def heard(
        self, answer: asyncio.Future[T], doing: str, *, changing: bool, limit_s: float
    ) -> T:
        doing = f"{self.place.server}: {doing}"
        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.shield(answer)
        except vmodl.MethodFault as fault:
            raise errors.of_fault(fault, doing=doing, changing=changing) from fault
        except errors.LOST as error:
            if isinstance(error, TimeoutError) and not answer.done():
                self._give_up()
                text = f"{doing}: no answer within {limit_s:g} s"
                raise (Unknown(text) if changing else Unavailable(text)) from None
            self.stub.DropConnections()
            raise errors.of_line(error, doing=doing, changing=changing) from error

    async def _call(
        self, work: Callable[[], T], doing: str, *, changing: bool, timeout_s: float | None
    ) -> T:
        limit_s = self.settings.verb_s if timeout_s is None else timeout_s
        if self.closed:
            raise Unavailable(f"{self.place.server}: this session is closed: connect again")
        for _ in range(1 if changing else 2):
            answer = self.begin(work)
            try:
                return await self.heard(answer, doing, changing=changing, limit_s=limit_s)
            except Unavailable as error:
                if not errors.is_lost(error.__cause__ or error):
                    raise
                again = error
        raise again

    def _try(self, work: Callable[[], T]) -> T:
        """In a thread: once, and again after a new login if our session has ended."""
        seen = self._logins
        try:
            return work()
        except vim.fault.NotAuthenticated:
            self.login(seen)
            return work()

    async def properties(
        self,
        kind: Any,
        paths: Sequence[str],
        *,
        start: Managed | Sequence[Managed],
        along: Sequence[tuple[Any, str]] = (),
        doing: str,
    ) -> list[Found]:
        """Properties of all objects of a kind that are reached from `start` along these paths.

        One question whatever their number: the answer comes in pages of `Settings.page`.
        """
        starts = list(start) if isinstance(start, list | tuple) else [start]
        if not starts:
            return []
        return await self.read(lambda: list(self.walk(kind, paths, starts, along)), doing=doing)

    def walk(
        self, kind: Any, paths: Sequence[str], starts: list[Managed], along: Sequence[Any]
    ) -> Iterator[Found]:
        """In a thread: RetrievePropertiesEx, and its continuation until there is no more."""
        query = vmodl.query.PropertyCollector
        steps: list[Any] = []
        for number, (type_, path) in reversed(list(enumerate(along))):
            steps = [
                query.TraversalSpec(
                    name=f"step {number}", type=type_, path=path, skip=False, selectSet=steps
                )
            ]
        spec = query.FilterSpec(
            objectSet=[
                query.ObjectSpec(obj=one, skip=bool(steps), selectSet=steps) for one in starts
            ],
            propSet=[query.PropertySpec(type=kind, pathSet=list(paths), all=False)],
            reportMissingObjectsInResults=True,
        )
        collector = self.content.propertyCollector
        page = collector.RetrievePropertiesEx(
            [spec], query.RetrieveOptions(maxObjects=self.settings.page)
        )
        while page is not None:
            for one in page.objects:
                yield Found(one.obj, {prop.name: prop.val for prop in one.propSet})
            if not page.token:
                return
            page = collector.ContinueRetrievePropertiesEx(page.token)

    async def close(self) -> None:
        """Log out. Tasks go on."""
        self.closed = True
        if self._logins:
            answer = self.begin(self.content.sessionManager.Logout)
            with contextlib.suppress(TimeoutError, vmodl.MethodFault, *errors.LOST):
                async with asyncio.timeout(5.0):
                    await asyncio.shield(answer)
        self.stub.DropConnections()
        self._pool.shutdown(wait=False)

    def _give_up(self) -> None:
        """Leave threads that may be stuck behind, with the lines that they wait on."""
        self.stub.DropConnections()
        self._pool.shutdown(wait=False)
        self._pool = self._new_pool()

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.settings.threads, thread_name_prefix="vsphere")
