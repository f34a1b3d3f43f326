"""All I/O with a region: tokens, the catalogue, requests, pages and the bytes of images.

One client serves every session of a region, so that thousands of servers cost one token. It is
renewed before it expires and whenever a service does not take it (401), once a request.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import msgspec

from drivers.contract.errors import Refused, Unavailable
from drivers.kit import tls
from drivers.kit.answers import NoAnswer, need_no_detour, read_object, whole
from drivers.openstack import errors
from drivers.openstack.address import Region
from drivers.openstack.settings import Settings

# A service by its types in the catalogue, and what its address there may lack.
SERVICES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "compute": (("compute",), ""),
    "image": (("image",), "/v2"),
    "network": (("network",), "/v2.0"),
    "volume": (("block-storage", "volumev3", "volume"), ""),
}
# 2.79: flavours within servers, tags at creation, a host by name, volumes that outlive servers.
COMPUTE_VERSION = (2, 79)
VERSIONS = {"compute": "compute 2.79", "volume": "volume 3.42"}
CHUNK_BYTES = 1 << 20
# Also where there is nothing to say: Nova takes no request of another type, not even an empty one.
JSON = {"Content-Type": "application/json"}
RENEW_EARLY_S = 60.0
MESSAGE_CHARS = 400
WHERE = "let the host's URL, or the catalogue of the region, say where the service is"


class Said(dict[str, Any]):
    """An answer. Of one that lacks what was promised, nobody knows what became of the question."""

    def __init__(self, said: Mapping[str, Any], doing: str, changing: bool) -> None:
        super().__init__(said)
        self._asked = (doing, changing)

    def __missing__(self, name: str) -> Any:
        doing, changing = self._asked
        raise errors.of_line(NoAnswer(f"no {name} is in it"), doing=doing, changing=changing)


@dataclass(frozen=True, slots=True)
class Token:
    value: str
    until_s: float
    project_id: str
    endpoints: Mapping[str, str]


class Client:
    """A region as one user sees it. `now` is the region's own time, as its answers tell it."""

    def __init__(self, region: Region, password: str, settings: Settings) -> None:
        self.region, self.settings = region, settings
        self._password = password
        self._turn = asyncio.Lock()
        self._token: Token | None = None
        self._http: dict[bool, aiohttp.ClientSession] = {}
        self.now: datetime | None = None

    async def close(self) -> None:
        while self._http:
            await self._http.popitem()[1].close()

    async def project_id(self) -> str:
        return (await self._signed()).project_id

    async def has(self, service: str) -> bool:
        return service in (await self._signed()).endpoints

    async def get(self, service: str, path: str, doing: str, **asked: Any) -> Any:
        return await self.call("GET", service, path, doing, params=asked)

    async def post(self, service: str, path: str, doing: str, body: Any, version: str = "") -> Any:
        return await self.call("POST", service, path, doing, body=body, version=version)

    async def delete(self, service: str, path: str, doing: str) -> None:
        """Gone already is success."""
        try:
            await self.call("DELETE", service, path, doing)
        except errors.NotThere:
            return

    async def call(
        self,
        method: str,
        service: str,
        path: str,
        doing: str,
        *,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        version: str = "",
    ) -> Any:
        """One request, answered with JSON or nothing; every failure is one of the contract's."""
        more = {} if body is None else {"json": body}
        for again in (True, False):
            token = await self._signed()
            async with self._asking(
                method,
                f"{self._endpoint(service, token)}{path}",
                doing,
                headers=self._headers(service, token, version) | JSON,
                params=params or {},
                **more,
            ) as answer:
                if answer.status == 401 and again:
                    self._drop(token)
                    continue
                return await self._read(answer, doing, changing=method != "GET")
        raise Refused(f"{doing}: {self.region.keystone} gives tokens that {service} does not take")

    async def pages(
        self, service: str, path: str, key: str, doing: str, **asked: Any
    ) -> list[dict[str, Any]]:
        """Everything in a listing, page by page."""
        found: list[dict[str, Any]] = []
        if service != "network":
            asked = {"limit": self.settings.page, **asked}
        while True:
            said = await self.get(service, path, doing, **asked)
            found += said[key]
            links = said.get(f"{key}_links", ())
            following = [one["href"] for one in links if one.get("rel") == "next"]
            following += [said["next"]] if said.get("next") else []
            if not following:
                return found
            asked |= dict(parse_qsl(urlsplit(following[0]).query))

    async def send(self, service: str, path: str, doing: str, source: str) -> None:
        """Put a file's bytes."""
        token = await self._signed()
        headers = self._headers(service, token, "") | {"Content-Type": "application/octet-stream"}
        with await asyncio.to_thread(open, source, "rb") as file:
            async with self._asking(
                "PUT",
                f"{self._endpoint(service, token)}{path}",
                doing,
                headers=headers,
                data=_chunks(file),
                timeout_s=self.settings.image_s,
            ) as answer:
                self._need_taken(answer, token, doing)
                await self._read(answer, doing, changing=True)

    async def fetch(self, service: str, path: str, doing: str, target: str) -> None:
        """Write the bytes of an answer to a file."""
        token = await self._signed()
        async with self._asking(
            "GET",
            f"{self._endpoint(service, token)}{path}",
            doing,
            headers=self._headers(service, token, ""),
            timeout_s=self.settings.image_s,
        ) as answer:
            self._need_taken(answer, token, doing)
            if answer.status != 200:
                await self._read(answer, doing, changing=False)
                raise Unavailable(f"{doing}: no bytes came (HTTP {answer.status})")
            with await asyncio.to_thread(open, target, "wb") as file:
                async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                    await asyncio.to_thread(file.write, chunk)
                await asyncio.to_thread(os.fsync, file.fileno())

    async def version(self) -> str:
        """Nova's newest microversion; Refused if it is too old to be driven."""
        doing = "ask Nova for its version"
        said = (await self.get("compute", "/", doing))["version"]
        newest = said.get("version") or "2.1"
        if tuple(int(part) for part in newest.split(".")) < COMPUTE_VERSION:
            raise Refused(
                f"Nova in region {self.region.name} speaks microversion {newest}, and 2.79 (Train) "
                "is the least that guests need: upgrade the region"
            )
        return str(newest)

    def _headers(self, service: str, token: Token, version: str) -> dict[str, str]:
        headers = {"X-Auth-Token": token.value, "Accept": "application/json"}
        if service in VERSIONS:
            headers["OpenStack-API-Version"] = version or VERSIONS[service]
        return headers

    def _endpoint(self, service: str, token: Token) -> str:
        if (found := token.endpoints.get(service)) is None:
            raise Refused(
                f"region {self.region.name} has no {service} service that project "
                f"{self.region.project} can see: it has {', '.join(sorted(token.endpoints))}"
            )
        return found

    def _need_taken(self, answer: aiohttp.ClientResponse, token: Token, doing: str) -> None:
        """Bytes are not sent twice: whose token has ended asks again, and gets another one."""
        if answer.status == 401:
            self._drop(token)
            raise Unavailable(f"{doing}: the token has ended")

    def _drop(self, token: Token) -> None:
        if self._token is token:
            self._token = None

    async def _signed(self) -> Token:
        """A token that is good for a while; one that is being fetched is waited for."""
        now_s = asyncio.get_running_loop().time()
        if self._token is not None and now_s < self._token.until_s:
            return self._token
        async with self._turn:
            if self._token is None or now_s >= self._token.until_s:
                self._token = await self._sign_in()
            return self._token

    async def _sign_in(self) -> Token:
        region = self.region
        doing = f"sign in as {region.user} to project {region.project} at {region.keystone}"
        user = {
            "name": region.user,
            "domain": {"name": region.user_domain},
            "password": self._password,
        }
        scope = {"name": region.project, "domain": {"name": region.project_domain}}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": {"project": scope}}}
        url = f"{region.keystone}/auth/tokens"
        async with self._asking("POST", url, doing, json=body) as answer:
            if answer.status == 401:
                raise Refused(
                    f"{doing}: user, password, project or domain is wrong, or the user has no "
                    "role in the project. Update the host with ones that Keystone takes"
                )
            value = answer.headers.get("X-Subject-Token")
            if answer.status == 404 or (answer.status < 300 and not value):
                raise Refused(f"{region.keystone} is no Keystone v3: is the host's URL right?")
            said = await self._read(answer, doing, changing=False)
            token = Said(said["token"], doing, False)
        lasts = _when(token["expires_at"]) - _when(token["issued_at"])
        lasts_s = max(lasts.total_seconds() - RENEW_EARLY_S, lasts.total_seconds() / 2)
        until_s = asyncio.get_running_loop().time() + lasts_s
        found = self._catalogue(token["catalog"])
        return Token(value or "", until_s, token["project"]["id"], found)

    def _catalogue(self, catalogue: list[dict[str, Any]]) -> dict[str, str]:
        """Where each service is in our region."""
        found: dict[str, str] = {}
        regions = set()
        for name, (types, suffix) in SERVICES.items():
            for wanted in types:
                for service in catalogue:
                    if service["type"] != wanted:
                        continue
                    regions |= {one.get("region") for one in service["endpoints"]}
                    for one in service["endpoints"]:
                        here = one.get("region") == self.region.name
                        if here and one["interface"] == self.region.interface:
                            url = one["url"].rstrip("/")
                            found.setdefault(name, url.removesuffix(suffix) + suffix)
        if "compute" not in found:
            there = ", ".join(sorted(str(one) for one in regions)) or "none"
            raise Refused(
                f"Keystone at {self.region.keystone} knows no Nova in region {self.region.name} "
                f"({self.region.interface}); it knows the regions {there}"
            )
        return found

    @asynccontextmanager
    async def _asking(
        self, method: str, url: str, doing: str, *, timeout_s: float = 0.0, **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        changing = method != "GET" and not url.endswith("/auth/tokens")
        try:
            async with asyncio.timeout(timeout_s or self.settings.call_s):
                async with self._session(method).request(
                    method, url, allow_redirects=False, **more
                ) as answer:
                    with suppress(KeyError, ValueError):
                        self.now = parsedate_to_datetime(answer.headers["Date"])
                    need_no_detour(answer, doing, WHERE)
                    yield answer
        except (aiohttp.ServerFingerprintMismatch, aiohttp.ClientConnectorCertificateError) as bad:
            raise await self._untrusted(bad, url) from bad
        except TimeoutError:
            limit_s = timeout_s or self.settings.call_s
            late = TimeoutError(f"no whole answer from {urlsplit(url).netloc} in {limit_s:g} s")
            raise errors.of_line(late, doing=doing, changing=changing) from None
        except (aiohttp.ClientError, OSError) as error:
            raise errors.of_line(error, doing=doing, changing=changing) from error

    async def _untrusted(self, bad: Exception, url: str) -> Exception:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        if isinstance(bad, aiohttp.ServerFingerprintMismatch):
            try:
                self.region.trust.check(bad.got and await _certificate(host, port), host)
            except Refused as refused:
                return refused
            return Unavailable(f"{host}:{port} showed two certificates: try again")
        return await tls.untrusted(host, port, bad)

    def _session(self, method: str) -> aiohttp.ClientSession:
        """Questions go over lines that are kept; what changes something has a line of its own.

        A server may close a kept line just as it is used again. A question is then asked anew by
        itself; of a change nobody would know whether it was heard.
        """
        once = method not in ("GET", "DELETE")
        if once not in self._http:
            digest = self.region.trust.digest
            context = aiohttp.Fingerprint(digest) if digest else self.region.trust.context()
            self._http[once] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit=32, force_close=once),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._http[once]

    async def _read(self, answer: aiohttp.ClientResponse, doing: str, *, changing: bool) -> Any:
        body = await whole(answer)
        if answer.status >= 300:
            said = _message(body.decode(errors="replace"))
            raise errors.of_answer(answer.status, said, doing=doing, changing=changing)
        return Said(read_object(body) if body else {}, doing, changing)


async def _certificate(host: str, port: int) -> bytes | None:
    """The certificate that a host shows, in DER, whoever signed it."""
    context = tls.Trust("sha256:" + "0" * 64).context()
    try:
        async with asyncio.timeout(tls.LOOK_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"{host}:{port} does not answer: {error}") from error
    try:
        shown: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return shown
    finally:
        writer.close()


async def _chunks(file: Any) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk


def _when(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _message(text: str) -> str:
    """What an error says: each service wraps its message in a key of its own."""
    try:
        said = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return " ".join(text.split())[:MESSAGE_CHARS]
    while isinstance(said, dict):
        said = said["message"] if "message" in said else next(iter(said.values()), "")
    return str(said)[:MESSAGE_CHARS]
