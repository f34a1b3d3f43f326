"""Brings an image here: by HTTP, or from a file of this machine for administrators.

What a tenant's URL may lead to is `engine.outside`'s to say; every hop of a redirect is looked at
again. What fails is said in the contract's three words.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urljoin, urlsplit

import aiohttp

from aggregates.errors import Invalid
from drivers.contract.errors import Refused, Unavailable
from engine import outside
from engine.outside import Address, Inside, Network, Reach

CHUNK_BYTES = 1 << 20
BYTES_MAX = 500 * 2**30
SPARE_BYTES = 256 << 20
HOPS_MAX = 5
CONNECT_S, SILENCE_S = 15, 60
PACKED = (".gz", ".bz2", ".xz", ".zip", ".zst")
AGAIN = (408, 425, 429, 500, 502, 503, 504)

SITES = "secstorage.allowed.internal.sites"
Report = Callable[[int, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Source:
    """Where an image is, and whether whoever said so may name this machine itself.

    `sites` are networks inside that everybody may name, by secstorage.allowed.internal.sites.
    """

    url: str
    trusted: bool
    sites: tuple[str, ...] = ()
    bytes_max: int | None = None

    @property
    def reach(self) -> Reach:
        return Reach(SITES, self.sites, self.trusted)

    def allows(self, address: Address) -> bool:
        """May an image come from this address?"""
        return self.reach.allows(address)


def networks(sites: Iterable[str]) -> list[Network]:
    """Networks as an administrator wrote them for images."""
    return outside.networks(sites, SITES)


def check_url(source: Source, *, simulated: bool = False) -> None:
    """Refuse at once what could never be fetched; a host's addresses are looked at later.

    What simulated hosts have is fetched from nowhere: it may be `sim://` and a name, or unsaid.
    """
    parts = urlsplit(source.url)
    if simulated and (not source.url or parts.scheme == "sim"):
        pass
    elif parts.scheme == "file":
        if not source.trusted:
            raise Invalid("only an administrator may register a file of the controller")
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise Invalid(f"{source.url} names no local file: write file:///path")
    elif parts.scheme not in ("http", "https"):
        raise Invalid(
            f"{source.url} cannot be fetched: write http://, https:// or file:///", field="url"
        )
    elif not parts.hostname:
        raise Invalid(f"{source.url} names no host")
    if parts.username or parts.password:
        raise Invalid("a URL is kept for ever and shown: put no user or password into it")
    if parts.path.lower().endswith(PACKED):
        raise Invalid(f"{source.url} is compressed: unpack it first and register the image")


async def fetch(source: Source, target: Path, report: Report) -> None:
    """Bring the whole file to `target`, from its beginning; whatever lies there is replaced."""
    most = BYTES_MAX if source.bytes_max is None else source.bytes_max
    async with sink_to(target, report, most) as sink:
        if urlsplit(source.url).scheme == "file":
            await _copy(Path(unquote(urlsplit(source.url).path)), sink)
        else:
            await _download(source, sink)


async def copy_file(path: Path, target: Path, report: Report) -> None:
    """Copy a file of the controller to `target`, from its beginning."""
    async with sink_to(target, report) as sink:
        await _copy(path, sink)


@asynccontextmanager
async def sink_to(target: Path, report: Report, bytes_max: int = BYTES_MAX) -> AsyncIterator[Sink]:
    """A file to be written from its beginning; what the disk refuses is told as what it is."""
    try:
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        sink = Sink(await asyncio.to_thread(target.open, "wb"), target, report, bytes_max)
        try:
            yield sink
        finally:
            sink.file.close()
    except OSError as wrong:
        if wrong.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable("the controller's disk is full: free some space") from wrong
        raise Refused(f"the image cannot be kept or read: {wrong.strerror or wrong}") from wrong


class Sink:
    """The file that is being written, its size so far, and who wants to know."""

    def __init__(self, file: BinaryIO, path: Path, report: Report, bytes_max: int) -> None:
        self.file, self._path, self._report = file, path, report
        self._bytes_max = min(bytes_max, BYTES_MAX)
        self._done_bytes = self._total_bytes = 0

    def expect(self, total_bytes: int) -> None:
        """Refuse what cannot fit before its first byte; 0 is a size that nobody said."""
        self._total_bytes = total_bytes
        if total_bytes > self._bytes_max:
            raise Refused(
                f"the image has {total_bytes} bytes, and at most {self._bytes_max} are taken"
            )
        free_bytes = shutil.disk_usage(self._path.parent).free
        if total_bytes + SPARE_BYTES > free_bytes:
            raise Unavailable(
                f"the image has {total_bytes} bytes and the controller's disk {free_bytes} free, "
                f"of which {SPARE_BYTES} are kept: free some space"
            )

    def room(self, total_bytes: int, more_bytes: int) -> None:
        """Refuse what cannot fit where the size is not said but that it is at most this."""
        self.expect(max(total_bytes - more_bytes, 0))
        self._total_bytes = 0

    async def write(self, chunk: bytes) -> None:
        await asyncio.to_thread(self.file.write, chunk)
        self._done_bytes += len(chunk)
        if self._done_bytes > self._bytes_max:
            raise Refused(f"the image has more than {self._bytes_max} bytes")
        percent = self._done_bytes * 100 // self._total_bytes if self._total_bytes else 0
        await self._report(min(percent, 100), f"{self._done_bytes >> 20} MiB")

    def close(self) -> None:
        """The source has ended: is it all here?"""
        self.file.flush()
        if self._total_bytes and self._done_bytes != self._total_bytes:
            raise Unavailable(
                f"the image broke off after {self._done_bytes} of {self._total_bytes} bytes"
            )
        if not self._done_bytes:
            raise Refused("the image is empty")


async def _copy(path: Path, sink: Sink) -> None:
    def opened() -> BinaryIO:
        # A pipe or a device would never end, or not open at all.
        if not path.is_file():
            raise Refused(f"there is no file {path} on the controller")
        return path.open("rb")

    with await asyncio.to_thread(opened) as file:
        sink.expect(os.fstat(file.fileno()).st_size)
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            await sink.write(chunk)
    sink.close()


async def _download(source: Source, sink: Sink) -> None:
    patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
    try:
        async with (
            aiohttp.TCPConnector() if source.trusted else source.reach.connector() as line,
            aiohttp.ClientSession(connector=line, timeout=patience) as session,
        ):
            await _follow(session, source, sink)
    except Inside as wrong:
        raise Refused(str(wrong)) from wrong
    except aiohttp.InvalidURL as wrong:
        raise Refused(f"{source.url} is no usable URL: {wrong}") from wrong
    except (aiohttp.ClientError, TimeoutError) as wrong:
        if isinstance(wrong.__cause__, Inside):
            raise Refused(str(wrong.__cause__)) from wrong
        why = str(wrong) or "no answer"
        raise Unavailable(f"{source.url} cannot be fetched now: {why}") from wrong


async def _follow(session: aiohttp.ClientSession, source: Source, sink: Sink) -> None:
    """Go from redirect to redirect, each looked at like the first URL."""
    url = source.url
    # Bytes are kept as they come: an encoding of the transport must not change the image.
    headers = {"Accept-Encoding": "identity"}
    for _ in range(HOPS_MAX):
        source.reach.check_url(url)
        async with session.get(url, allow_redirects=False, headers=headers) as response:
            if response.status in (301, 302, 303, 307, 308):
                url = urljoin(url, response.headers.get("Location", ""))
                if urlsplit(url).scheme not in ("http", "https"):
                    raise Refused(f"{source.url} leads to {url}, which is not HTTP")
                continue
            if response.status in AGAIN:
                raise Unavailable(f"{url} answers {response.status} {response.reason}")
            if response.status != 200:
                raise Refused(f"{url} answers {response.status} {response.reason}")
            sink.expect(response.content_length or 0)
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                await sink.write(chunk)
            sink.close()
            return
    raise Refused(f"{source.url} redirects more than {HOPS_MAX} times")
