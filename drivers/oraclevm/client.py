"""The line to one agent: XML-RPC over HTTPS with basic authentication, each call with a deadline.

A call that was lost after it was sent is `Unknown` if it changes anything: the agent goes on with
it, as it knows nothing of its client. One that only asks is sent once more on a new connection.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any
from xml.parsers.expat import ExpatError
from xmlrpc.client import Fault, ResponseError, dumps, loads

import aiohttp

from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.kit.answers import whole
from drivers.kit.tls import untrusted
from drivers.oraclevm.address import Place
from drivers.oraclevm.errors import of_fault

ASK_S = 30.0
CHANGE_S = 300.0
COPY_S = 4 * 3600.0
CONNECT_S = 10.0
# What xmlrpc.client trips over in an answer that is none, or is cut off.
UNREADABLE = (ExpatError, ResponseError, ValueError, TypeError, LookupError, AttributeError)


class Agent:
    """One agent. Connections are made when needed and kept while they are good."""

    def __init__(self, place: Place, username: str, password: str) -> None:
        self.place = place
        self.credentials = (username, password)
        self._auth = aiohttp.encode_basic_auth(username, password)
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, method: str, *params: Any) -> Any:
        """A call that changes nothing. Unavailable: no answer, after a second try."""
        try:
            return await self._send(method, params, ASK_S)
        except _Lost:
            try:
                return await self._send(method, params, ASK_S)
            except _Lost as lost:
                raise Unavailable(f"{self._doing(method)}: {lost}") from lost

    async def change(self, method: str, *params: Any, within_s: float = CHANGE_S) -> Any:
        """A call that changes something. Unknown: it was sent, and no answer came."""
        try:
            return await self._send(method, params, within_s)
        except _Lost as lost:
            raise Unknown(
                f"{self._doing(method)}: {lost}; the agent may have done it all the same"
            ) from lost

    async def drop(self) -> None:
        """Let go of every connection; the next call has a new one."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _doing(self, method: str) -> str:
        return f"{self.place.host}: {method}"

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            trust = self.place.trust
            seal: ssl.SSLContext | aiohttp.Fingerprint = trust.context()
            if (digest := trust.digest) is not None:
                seal = aiohttp.Fingerprint(digest)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=seal, limit=16, keepalive_timeout=30.0),
                headers={"Content-Type": "text/xml", "Authorization": self._auth},
            )
        return self._session

    async def _send(self, method: str, params: tuple[Any, ...], within_s: float) -> Any:
        body = dumps(params, method, allow_none=True).encode()
        limit = aiohttp.ClientTimeout(total=within_s, sock_connect=CONNECT_S)
        doing = self._doing(method)
        try:
            async with self._open().post(
                self.place.url, data=body, timeout=limit, allow_redirects=False
            ) as response:
                return self._read(method, response.status, await whole(response))
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            if isinstance(error, aiohttp.ClientConnectorCertificateError):
                raise await untrusted(self.place.host, self.place.port, error) from error
            raise Refused(f"{doing}: no TLS there ({error}); ?tls=off speaks plainly") from error
        except aiohttp.ServerFingerprintMismatch as error:
            raise Refused(
                f"{self.place.host} shows another certificate than the one that is pinned "
                f"(sha256:{error.got.hex()}): if it was renewed, update the host's URL with that "
                "pin; if not, somebody is in between"
            ) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unavailable(f"{doing}: {error}") from error
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise _Lost(str(error) or f"no answer within {within_s:g} s") from error

    def _read(self, method: str, status: int, body: bytes) -> Any:
        doing = self._doing(method)
        if status in (401, 403):
            raise Refused(f"{doing}: the agent does not take this name and password ({status})")
        if status == 404:
            raise Refused(f"{doing}: what answers at {self.place.url} is no agent of Oracle VM")
        if status != 200:
            raise _Lost(f"the agent answers with HTTP {status}")
        try:
            (answer,), _ = loads(body.decode(), use_builtin_types=True)
        except Fault as fault:
            raise of_fault(fault, doing=doing) from fault
        except UNREADABLE as error:
            raise _Lost(f"the answer is no XML-RPC: {error}") from error
        return answer


class _Lost(Exception):
    """A call was sent, and nobody knows what became of it."""
