"""Files of a datastore over HTTPS: `https://vcenter/folder/<path>?dcPath=..&dsName=..`.

The published way (vSphere Web Services SDK, "HTTP access to vSphere server files"): GET reads and
PUT writes, with the session's cookie. A disk is two files: its descriptor, which is text, and its
extent `<name>-flat.vmdk`, which is the raw bytes.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.kit.answers import need_no_detour
from drivers.vsphere.client import Vcenter
from drivers.vsphere.inventory import Store

CHUNK_BYTES = 1 << 20
SECTOR_BYTES = 512
STALL_S = 60.0
EXTENT = re.compile(r"^(?:RW|RDONLY|NOACCESS) (\d+) \w+", re.MULTILINE)
DESCRIPTOR = """\
# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=fffffffe
parentCID=ffffffff
createType="vmfs"

# Extent description
RW {sectors} VMFS "{name}-flat.vmdk"

# The Disk Data Base
#DDB
ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "{cylinders}"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.virtualHWVersion = "13"
"""


class Files:
    """The files of one vCenter's datastores."""

    def __init__(self, vcenter: Vcenter) -> None:
        self._vcenter = vcenter
        self._session: aiohttp.ClientSession | None = None

    async def capacity(self, store: Store, path: str) -> int | None:
        """What a guest sees of a disk, as its descriptor says; None if there is no such disk."""
        text = await self.text(store, path)
        if text is None:
            return None
        return sum(int(sectors) for sectors in EXTENT.findall(text)) * SECTOR_BYTES

    async def text(self, store: Store, path: str) -> str | None:
        """A small file; None if it is not there."""
        async with self._request("GET", store, path, doing=f"read {path}") as answer:
            if answer.status == 404:
                return None
            _fine(answer, f"read {path}")
            return (await answer.content.read(64 * 1024)).decode(errors="replace")

    async def exists(self, store: Store, path: str) -> bool:
        async with self._request("GET", store, path, doing=f"look for {path}") as answer:
            if answer.status != 404:
                _fine(answer, f"look for {path}")
            return answer.status != 404

    async def put_text(self, store: Store, path: str, text: str | bytes) -> None:
        data = text.encode() if isinstance(text, str) else text
        async with self._request("PUT", store, path, data=data, doing=f"write {path}") as answer:
            _fine(answer, f"write {path}")

    async def put(self, store: Store, path: str, local: str) -> None:
        """Bring a file of the controller's; it is there whole or the call fails."""
        size_bytes = (await asyncio.to_thread(os.stat, local)).st_size
        headers = {"Content-Length": str(size_bytes)}
        async with self._request(
            "PUT", store, path, data=_pieces(local), headers=headers, doing=f"upload {path}"
        ) as answer:
            _fine(answer, f"upload {path}")

    async def put_disk(self, store: Store, path: str, raw: str, size_bytes: int) -> None:
        """Bring a raw image as a disk: its bytes first, so that what is named is whole."""
        stem = path.removesuffix(".vmdk")
        await self.put(store, f"{stem}-flat.vmdk", raw)
        sectors = size_bytes // SECTOR_BYTES
        name = stem.rsplit("/", 1)[-1].rsplit(" ", 1)[-1]
        text = DESCRIPTOR.format(
            sectors=sectors, name=name, cylinders=max(1, sectors // (255 * 63))
        )
        await self.put_text(store, path, text)

    async def get_disk(self, store: Store, path: str, raw: str, size_bytes: int) -> None:
        """Fetch a disk's bytes as a raw image of its whole size."""
        stem = path.removesuffix(".vmdk")
        doing = f"download {path}"
        async with self._request("GET", store, f"{stem}-flat.vmdk", doing=doing) as answer:
            _fine(answer, doing)
            with await asyncio.to_thread(open, raw, "wb") as file:
                async for piece in answer.content.iter_chunked(CHUNK_BYTES):
                    await asyncio.to_thread(_write, file, piece)
                await asyncio.to_thread(file.truncate, size_bytes)

    @asynccontextmanager
    async def _request(
        self, method: str, store: Store, path: str, *, doing: str, **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        doing = f"{self._vcenter.place.server}: {doing}"
        lost = Unavailable if method == "GET" else Unknown
        for last in (False, True):
            more["headers"] = {**more.get("headers", {}), "Cookie": self._vcenter.cookie}
            try:
                async with self._http().request(
                    method, self._url(store, path), allow_redirects=False, **more
                ) as answer:
                    need_no_detour(answer, doing, "let the host's URL name the vCenter itself")
                    if answer.status != 401 or last:
                        yield answer
                        return
            except aiohttp.ClientError as error:
                raise lost(f"{doing}: {error or type(error).__name__}") from error
            except TimeoutError:
                raise lost(f"{doing}: nothing came for {STALL_S:g} s") from None
            await self._vcenter.read(self._vcenter.renew, doing=doing)
            if method == "PUT" and not isinstance(more.get("data"), bytes):
                raise Unavailable(f"{doing}: the session had ended: try again")

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            trust = self._vcenter.place.trust
            checked: Any = aiohttp.Fingerprint(trust.digest) if trust.digest else self._vcenter.tls
            limit = aiohttp.ClientTimeout(total=None, sock_connect=STALL_S, sock_read=STALL_S)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=checked),
                timeout=limit,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _url(self, store: Store, path: str) -> Any:
        """aiohttp's URL, of parts that are encoded already."""
        place = self._vcenter.place
        inside = path.split("] ", 1)[-1]
        query = (
            f"dcPath={quote(store.datacenter.path, safe='')}&dsName={quote(store.name, safe='')}"
        )
        host = f"[{place.host}]" if ":" in place.host else place.host
        return URL(f"https://{host}:{place.port}/folder/{quote(inside)}?{query}", encoded=True)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _fine(answer: aiohttp.ClientResponse, doing: str) -> None:
    if answer.status in (401, 403):
        raise Refused(f"{doing}: the user may not: it needs Datastore.FileManagement there")
    if answer.status == 404:
        raise Refused(f"{doing}: there is no such file")
    if answer.status in (507, 503, 500):
        raise Unavailable(f"{doing}: {answer.status} {answer.reason}")
    if answer.status >= 300:
        raise Refused(f"{doing}: {answer.status} {answer.reason}")


async def _pieces(local: str) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(open, local, "rb") as file:
        while piece := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield piece


def _write(file: Any, piece: bytes) -> None:
    file.write(piece)
