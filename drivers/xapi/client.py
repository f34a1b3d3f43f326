"""A line to a pool: XAPI's calls over JSON-RPC 2.0, with a session that heals itself.

Facts from the XenAPI reference: `POST /jsonrpc`, the session first among the parameters, an
error's `message` its code and `data` its parameters. Only the pool's master lets anybody in; a
slave answers HOST_IS_SLAVE with the master's address, and whoever becomes master later is found
through the members that were seen. A call that XAPI answers with SESSION_INVALID was not done, so
it is done again with a new session.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import aiohttp

from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.kit.answers import NoAnswer, read_object, whole
from drivers.kit.tls import Trust, fingerprint, untrusted
from drivers.xapi.address import Place
from drivers.xapi.errors import code_of, of_code, unless
from drivers.xapi.marks import NOTE, Record
from drivers.xapi.tasks import Tasks

CALL_S = 40.0
CONNECT_S = 10.0
TASK_S = 600.0
ORIGINATOR = "sagastack"
READS = re.compile(r"(\w+\.(get_|compute_)|event\.from)")
REF = re.compile(r"OpaqueRef:[^<]+")
LOGINS_MAX = 3
REDIRECTS_MAX = 3


class Line:
    """One pool, one user. Shared by the sessions of the pool's hosts; counted by the driver."""

    def __init__(self, place: Place, username: str, password: str) -> None:
        self.place = place
        self._user = (username, password)
        self._at = place.host
        self._members: dict[str, Trust] = {}
        self._checks: dict[Trust, aiohttp.Fingerprint | ssl.SSLContext] = {}
        self._session = ""
        self._login = asyncio.Lock()
        self._http: aiohttp.ClientSession | None = None
        self.tasks = Tasks(self.call)
        self.users = 0
        self._locks: WeakValueDictionary[object, asyncio.Lock] = WeakValueDictionary()
        self.repositories: dict[str, str] = {}

    # ---- life ----------------------------------------------------------------------------

    async def open(self) -> None:
        """Log in, and learn the pool's members. Refused: wrong credentials or certificate."""
        await self.call("pool.get_all")
        await self.learn_members()

    async def learn_members(self) -> set[str]:
        """The certificate of each member, told by the pool itself: the master vouches for them.

        Answers with the address of each.
        """
        records = await self.call("host.get_all_records")
        for host, record in records.items():
            if record["address"] not in self._members:
                with suppress(DriverError):
                    pem = await self.call("host.get_server_certificate", host)
                    der = ssl.PEM_cert_to_DER_cert(pem)
                    self._members[record["address"]] = Trust(fingerprint(der))
        return {record["address"] for record in records.values()}

    async def close(self) -> None:
        if self._http is None:
            return
        if self._session:
            with suppress(DriverError):
                async with asyncio.timeout(2):
                    await self._ask(self._at, "session.logout", [self._session], timeout_s=2)
        self._session = ""
        await self._http.close()
        self._http = None

    def turn(self, *thing: object) -> asyncio.Lock:
        """What two callers of this controller must not do to one thing at once."""
        lock = self._locks.get(thing)
        if lock is None:
            lock = self._locks[thing] = asyncio.Lock()
        return lock

    def trust_of(self, host: str) -> Trust:
        """As the pool vouched for its member, else as the URL says."""
        if host == self.place.host:
            return self.place.trust
        return self._members.get(host, self.place.trust)

    def url(self, host: str) -> str:
        name = f"[{host}]" if ":" in host else host
        return f"https://{name}:{self.place.port}"

    # ---- calls ---------------------------------------------------------------------------

    async def call(self, method: str, *params: object, timeout_s: float = CALL_S) -> Any:
        """What XAPI answers. Raises an error of the contract; `code_of` tells XAPI's own code."""
        for _ in range(LOGINS_MAX):
            session = await self._logged_in()
            try:
                return await self._ask(self._at, method, [session, *params], timeout_s=timeout_s)
            except DriverError as error:
                is_lost = isinstance(error, Unavailable | Unknown) and not code_of(error)
                is_over = code_of(error) in ("SESSION_INVALID", "HOST_IS_SLAVE")
                if (is_lost or is_over) and self._session == session:
                    self._session = ""  # the next login asks who is master now
                if not is_over:
                    raise
        raise Unavailable(f"{self.place}: sessions end as soon as they begin")

    async def session_id(self) -> str:
        """For the doors beside the calls: consoles, disks in and out, statistics."""
        await self.call("pool.get_all")
        return self._session

    async def _logged_in(self) -> str:
        if self._session:
            return self._session
        async with self._login:
            if not self._session:
                self._session = await self._log_in()
            return self._session

    async def _log_in(self) -> str:
        """Ask the master that was known last, then the address of the URL, then other members."""
        tried, said = set(), Unavailable(f"{self.place} does not answer")
        asked = [self._at, self.place.host, *self._members]
        while asked:
            host = asked.pop(0)
            if host in tried:
                continue
            tried.add(host)
            try:
                session = await self._ask(
                    host,
                    "session.login_with_password",
                    [*self._user, "1.0", ORIGINATOR],
                    timeout_s=CALL_S,
                )
            except Unavailable as error:
                if code_of(error) == "HOST_IS_SLAVE":
                    asked.insert(0, error.params[0])  # type: ignore[attr-defined]
                said = error
            except Unknown as error:
                said = Unavailable(str(error))
            else:
                self._at = host
                return str(session)
        raise said

    async def _ask(self, host: str, method: str, params: list[Any], *, timeout_s: float) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        doing = f"{self.place}: {method.removeprefix('Async.')}"
        async with self._trying(host, doing, changing=READS.match(method) is None):
            limit = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_S)
            async with self.http.post(
                f"{self.url(host)}/jsonrpc",
                json=body,
                timeout=limit,
                ssl=self.ssl(host),
                allow_redirects=False,
            ) as answer:
                if answer.status >= 500:  # XAPI starts anew, or what stands before it has lost it.
                    raise NoAnswer(f"HTTP {answer.status} {answer.reason}")
                if answer.status != 200:
                    raise Refused(
                        f"{doing}: {host} answers {answer.status} and speaks no XAPI over JSON-RPC "
                        "(XenServer 7 and later, XCP-ng): check the URL"
                    )
                told = read_object(await whole(answer))
                error = told.get("error")
                if "result" not in told and not isinstance(error, dict):
                    raise NoAnswer("its answer has neither a result nor an error")
        if error and isinstance(error, dict):
            raise of_code(str(error.get("message")), error.get("data") or (), doing=doing)
        return told.get("result")

    @asynccontextmanager
    async def _trying(self, host: str, doing: str, *, changing: bool) -> AsyncIterator[None]:
        """What a broken line means: before anything was sent nothing happened."""
        try:
            yield
        except aiohttp.ServerFingerprintMismatch as error:
            if host in self._members.keys() - {self.place.host, self._at}:
                del self._members[host]
                raise Unavailable(
                    f"{doing}: {host} shows another certificate than the pool told of: it was "
                    "renewed perhaps, and the pool is asked again"
                ) from error
            raise Refused(
                f"{host} shows another certificate than the one that is pinned "
                f"(sha256:{error.got.hex()}): if it was renewed, update the pin in the host's URL; "
                "if it is another member of the pool, name the pool by its master"
            ) from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            raise await untrusted(host, self.place.port, error.__cause__ or error) from error
        except aiohttp.ClientConnectorError as error:
            raise Unavailable(f"{doing}: {host} cannot be reached: {error}") from error
        except (TimeoutError, aiohttp.ConnectionTimeoutError) as error:
            lost = Unknown if changing else Unavailable
            raise lost(f"{doing}: {host} did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            lost = Unknown if changing else Unavailable
            raise lost(f"{doing}: the line to {host} was lost: {error!r}") from error

    @property
    def http(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=64, ttl_dns_cache=60),
                headers={"User-Agent": ORIGINATOR},
            )
        return self._http

    def ssl(self, host: str) -> aiohttp.Fingerprint | ssl.SSLContext:
        """One object a certificate: a line is used again only under the very same one."""
        trust = self.trust_of(host)
        if trust not in self._checks:
            digest = trust.digest
            self._checks[trust] = aiohttp.Fingerprint(digest) if digest else trust.context()
        return self._checks[trust]

    @asynccontextmanager
    async def door(
        self,
        method: str,
        host: str,
        path: str,
        query: Mapping[str, str],
        *,
        limit_s: float,
        data: Callable[[], AsyncIterator[bytes]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An HTTP door of a host's, beside the calls; one that sends to another member is obeyed.

        `data` gives the body anew for each member that is tried.
        """
        asked = dict(query) | {"session_id": await self.session_id()}
        doing = f"{self.place}: {path}"
        limit = aiohttp.ClientTimeout(total=limit_s, sock_connect=CONNECT_S)
        for _ in range(REDIRECTS_MAX):
            await self._need_member(host, doing)
            async with (
                self._trying(host, doing, changing=method == "PUT"),
                self.http.request(
                    method,
                    f"{self.url(host)}{path}",
                    params=asked,
                    timeout=limit,
                    data=data() if data is not None else None,
                    headers=headers,
                    ssl=self.ssl(host),
                    allow_redirects=False,
                ) as answer,
            ):
                if answer.status in (301, 302, 307):
                    host = urlsplit(answer.headers.get("Location", "")).hostname or host
                    continue
                if answer.status == 401:
                    self._session = ""
                    raise Unavailable(f"{doing}: the session has ended")
                if answer.status != 200:
                    raise Unavailable(f"{doing}: {host} answers {answer.status} {answer.reason}")
                yield answer
                return
        raise Unavailable(f"{doing}: the members of the pool send from one to the other")

    async def _need_member(self, host: str, doing: str) -> None:
        """A session is told to nobody but the pool, whoever sends on to somebody else."""
        if host == self.place.host or host in self._members:
            return
        if host not in await self.learn_members():
            raise Refused(f"{doing}: sent on to {host}, which is no member of the pool: ask there")

    # ---- tasks ---------------------------------------------------------------------------

    async def run(self, method: str, *params: object, limit_s: float = TASK_S) -> str:
        """Do it as a task, and wait for its end; gives the reference that it answers with."""
        task = await self.call(f"Async.{method}", *params)
        return await self.finish(task, doing=f"{self.place}: {method}", limit_s=limit_s)

    async def run_once(
        self,
        note: str,
        method: str,
        *params: object,
        claim: Callable[[str], Awaitable[None]],
        limit_s: float = TASK_S,
    ) -> None:
        """The same for a task that makes something: `claim` then says whose it is.

        The task bears a note. One that an earlier caller began and never heard of again is waited
        for, and what it made is claimed, instead of making another.
        """
        doing = f"{self.place}: {method}"
        for task, record in (await self.call("task.get_all_records")).items():
            if record["other_config"].get(NOTE) != note:
                continue
            with unless("HANDLE_INVALID"):
                made = await self.finish(task, doing=doing, limit_s=limit_s, claim=claim)
                if made:
                    return
        task = await self.call(f"Async.{method}", *params)
        with unless("HANDLE_INVALID"):
            await self.call("task.add_to_other_config", task, NOTE, note)
        await self.finish(task, doing=doing, limit_s=limit_s, claim=claim)

    async def finish(
        self,
        task: str,
        *,
        doing: str,
        limit_s: float = TASK_S,
        claim: Callable[[str], Awaitable[None]] | None = None,
    ) -> str:
        """Wait for a task's end, say what came of it, and let it go."""
        try:
            record = await self.tasks.ended(task, limit_s=limit_s, doing=doing)
        except Unavailable as error:
            raise Unknown(f"{doing}: the line was lost while the task ran: {error}") from error
        made = REF.search(record["result"] or "")
        result = made[0] if made else ""
        if record["status"] == "success" and claim is not None and result:
            await claim(result)
        with suppress(DriverError):
            await self.call("task.destroy", task)
        if record["status"] != "success":
            code, *params = record["error_info"] or ("TASK_CANCELLED",)
            raise of_code(code, params, doing=doing)
        return result

    async def settle(self, record: Record, *, doing: str, limit_s: float = TASK_S) -> bool:
        """Wait for what others, or we before a crash, are still doing to an object."""
        busy = list(record["current_operations"])
        for task in busy:
            with suppress(Unavailable, Refused):
                await self.tasks.ended(task, limit_s=limit_s, doing=doing)
        return bool(busy)

    # ---- what changes seldom -------------------------------------------------------------

    async def host(self, uuid: str) -> str:
        return str(await self.call("host.get_by_uuid", uuid))

    async def sr_uuid(self, sr: str) -> str:
        if sr not in self.repositories:
            self.repositories[sr] = await self.call("SR.get_uuid", sr)
        return self.repositories[sr]
