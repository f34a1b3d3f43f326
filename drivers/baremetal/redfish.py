"""A BMC that speaks Redfish (DMTF DSP0266), by aiohttp: sessions, ETags and tasks as it has them.

A session is opened where the service offers one, else each request carries the password. A change
names the version that it changes (`If-Match`) where the service gives one. Long work is followed
by its task monitor until it ends or its deadline passes.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from drivers.baremetal.address import NodeAddress
from drivers.baremetal.errors import lost, of_status
from drivers.baremetal.wait import pause
from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.kit.answers import DETOURS, read_object, whole
from drivers.kit.tls import Trust, untrusted

CALL_S = 30.0
TASK_S = 600.0
TASK_PAUSE_S = 5.0
HOPS_MAX = 4
ROOT = "/redfish/v1"
KEPT = ("ETag", "Location", "X-Auth-Token", "Retry-After", "WWW-Authenticate")
Json = dict[str, Any]


class Service:
    """One Redfish service: paths in, JSON out, errors as the contract has them."""

    def __init__(self, address: NodeAddress, trust: Trust, call_s: float = CALL_S) -> None:
        scheme = "https" if address.scheme == "redfish" else "http"
        host = f"[{address.host}]" if ":" in address.host else address.host
        self.name = f"the BMC at {address.host}:{address.port}"
        self._base = f"{scheme}://{host}:{address.port}"
        self._user, self._password = address.username, address.password
        self._call_s = call_s
        self._host, self._port = address.host, address.port
        digest = trust.digest
        self._ssl: aiohttp.Fingerprint | bool = aiohttp.Fingerprint(digest) if digest else True
        self._trust = trust
        self._http: aiohttp.ClientSession | None = None
        self._token = ""
        self._session_at = ""
        self._basic = False
        self._opening = asyncio.Lock()

    async def get(self, path: str) -> Json:
        return (await self._ask("GET", path))[0]

    async def patch(self, path: str, change: Json) -> None:
        """Change a resource as it was read just now; once more if somebody was faster."""
        for attempt in range(2):
            _, headers = await self._ask("GET", path)
            etag = headers.get("ETag", "")
            try:
                await self._do("PATCH", path, change, {"If-Match": etag} if etag else {})
                return
            except Unavailable as error:
                if attempt or "412" not in str(error):
                    raise

    async def post(self, path: str, body: Json) -> Json:
        return await self._do("POST", path, body, {})

    async def delete(self, path: str) -> None:
        await self._do("DELETE", path, None, {})

    async def members(self, path: str) -> list[str]:
        return [one["@odata.id"] for one in (await self.get(path)).get("Members") or ()]

    async def close(self) -> None:
        http, self._http = self._http, None
        if http is None:
            return
        try:
            if self._session_at:
                async with asyncio.timeout(5):
                    await self._send(http, "DELETE", self._session_at, None, {})
        except (DriverError, TimeoutError):
            pass  # It ends by itself when it is not used.
        finally:
            await http.close()

    async def _do(self, verb: str, path: str, body: Json | None, more: Mapping[str, str]) -> Json:
        said, headers = await self._ask(verb, path, body, more)
        if headers.get(":status") == "202":
            monitor = headers.get("Location") or said.get("@odata.id", "")
            return await self._follow(monitor) if monitor else said
        return said

    async def _follow(self, monitor: str) -> Json:
        """A task to its end: 202 while it runs, then the answer itself or the finished task."""
        path = urlsplit(monitor).path
        try:
            async with asyncio.timeout(TASK_S):
                while True:
                    try:
                        said, headers = await self._ask("GET", path)
                    except Unavailable:  # The work goes on, whether or not its BMC answers now.
                        await pause(_pause_s(""))
                        continue
                    except Refused as error:
                        raise Unknown(f"{self.name} knows its work no more: {error}") from error
                    state = said.get("TaskState", "")
                    if state in ("Exception", "Killed", "Cancelled"):
                        raise Refused(f"{self.name} began the work and failed: {_message(said)}")
                    if headers.get(":status") != "202" and state in ("", "Completed"):
                        return said
                    await pause(_pause_s(headers.get("Retry-After", "")))
        except TimeoutError as error:
            raise Unknown(f"{self.name} still works on {path} after {TASK_S:.0f} s") from error

    async def _ask(
        self, verb: str, path: str, body: Json | None = None, more: Mapping[str, str] | None = None
    ) -> tuple[Json, dict[str, str]]:
        """One request; a session that expired is opened anew, once."""
        http = self._client()
        for attempt in range(2):
            async with self._opening:  # A BMC has few sessions: one is enough.
                if not self._token and not self._basic:
                    await self._log_in(http)
                token = self._token
            status, said, headers = await self._send(http, verb, path, body, more or {})
            if status == 401 and token and attempt == 0:
                if self._token == token:
                    self._token = self._session_at = ""
                continue
            if status >= 400:
                raise of_status(self.name, status, _message(said), asks=verb == "GET")
            return said, headers
        raise AssertionError("unreachable")

    async def _log_in(self, http: aiohttp.ClientSession) -> None:
        who = {"UserName": self._user, "Password": self._password}
        path = f"{ROOT}/SessionService/Sessions"
        status, said, headers = await self._send(http, "POST", path, who, {})
        asks_basic = headers.get("WWW-Authenticate", "").lower().startswith("basic")
        none = status in (404, 405, 501) or (status < 300 and not headers.get("X-Auth-Token"))
        if none or (status == 401 and asks_basic):
            self._basic = True  # Whether the password is right shows at the next request.
        elif status >= 400:
            raise of_status(self.name, status, _message(said), asks=True)
        else:
            self._token = headers["X-Auth-Token"]
            self._session_at = urlsplit(headers.get("Location", "")).path

    async def _send(
        self,
        http: aiohttp.ClientSession,
        verb: str,
        path: str,
        body: Json | None,
        more: Mapping[str, str],
    ) -> tuple[int, Json, dict[str, str]]:
        """One request, wherever within itself the BMC has what it asks for."""
        for _ in range(HOPS_MAX):
            status, said, headers = await self._send_to(http, verb, path, body, more)
            if status not in DETOURS:
                return status, said, headers
            path = self._within(path, headers.get("Location", ""))
            if status == 303:
                verb, body = "GET", None
        raise Refused(f"{self.name} sends from one address of its own to the other: {path}")

    def _within(self, path: str, location: str) -> str:
        """Where it sends on to. A token or a password goes to no other address than the URL's."""
        here = URL(self._base + path)
        there = here.join(URL(location))
        if not location or there.origin() != here.origin():
            raise Refused(
                f"{self.name} sends on to {location!r}: let the host's URL say where the BMC is"
            )
        return there.raw_path_qs

    async def _send_to(
        self,
        http: aiohttp.ClientSession,
        verb: str,
        path: str,
        body: Json | None,
        more: Mapping[str, str],
    ) -> tuple[int, Json, dict[str, str]]:
        headers = {"OData-Version": "4.0", **more}
        if self._token:
            headers["X-Auth-Token"] = self._token
        elif self._basic:
            headers["Authorization"] = _basic(self._user, self._password)
        try:
            async with asyncio.timeout(self._call_s):
                async with http.request(
                    verb,
                    self._base + path,
                    json=body,
                    headers=headers,
                    ssl=self._ssl,
                    allow_redirects=False,
                ) as answer:
                    kept = {**answer.headers, ":status": str(answer.status)}
                    for name in KEPT:
                        kept.pop(name, None)
                        if name in answer.headers:
                            kept[name] = answer.headers[name]
                    told = await whole(answer)
                    tells = verb == "GET" and answer.status == 200
                    said = read_object(told) if tells else _json(told.decode(errors="replace"))
                    return answer.status, said, kept
        except aiohttp.ServerFingerprintMismatch as error:
            raise Refused(
                f"{self.name} shows another certificate than the pinned one: if it was renewed, "
                f"pin sha256:{error.got.hex()} in the host's URL; if not, somebody is in between"
            ) from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise await untrusted(self._host, self._port, error.certificate_error) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise lost(self.name, error, asks=verb == "GET" or path.endswith("Sessions")) from error

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession()
        return self._http


def _pause_s(said: str) -> float:
    """How long to wait before a task is asked about again; a BMC may say it in its own way."""
    try:
        return min(TASK_PAUSE_S, max(0.1, float(said)))
    except ValueError:
        return 1.0


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _json(text: str) -> Json:
    """A body that is no JSON object says nothing to us, but its words are kept for a person."""
    try:
        said = json.loads(text) if text.strip() else {}
    except ValueError:
        return {"text": text[:200]}
    return said if isinstance(said, dict) else {}


def _message(said: Json) -> str:
    """What a Redfish error says for people: its extended messages, else the short one."""
    error = said.get("error", said)
    if not isinstance(error, dict):
        return str(error)[:200]
    more = error.get("@Message.ExtendedInfo") or said.get("Messages") or ()
    words = "; ".join(str(one.get("Message", "")) for one in more if isinstance(one, dict))
    return (words or str(error.get("message", "")) or str(said.get("text", "")))[:400]
