"""Files by HTTP: downloads whose URL is a secret, and uploads whose signature is one.

A URL or a signature opens one file, for a while. What cannot be opened is told in the same words
whether it never was, is over, or is somebody else's. A file is streamed, never held in memory.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from aiohttp import BodyPartReader, web

from api.app import COMMAND
from api.caller import Engine
from api.fields import date
from api.ready import HEADERS
from engine.image_fetch import CHUNK_BYTES
from engine.images import partial_of
from engine.intents import By
from engine.intents.upload import TakeUpload
from engine.receive import receive
from projections.account import accounts
from projections.download_link import DownloadLink, download_links
from projections.upload import Upload, uploads

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": "x-signature, x-metadata, x-expires, content-type",
}


class Transfers:
    """The two routes. `home` is the controller's data folder, from which paths begin."""

    def __init__(self, engine: Engine, home: Path, now_ms: Any) -> None:
        self._engine, self._home, self._now_ms = engine, home, now_ms
        self._receiving: set[UUID] = set()

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/download/{link}/{token}/{name}", self.download)
        app.router.add_post("/upload/{upload}", self.upload)
        app.router.add_route("OPTIONS", "/upload/{upload}", self.preflight)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Give a file, or a range of it, to whoever has its URL."""
        request[COMMAND] = "download"
        link = self._engine.cloud[download_links].get(_uuid(request.match_info["link"]))
        if link is None or not await self._is_token(link, request.match_info["token"]):
            raise web.HTTPNotFound(text="There is no such download.\n", headers=HEADERS)
        if self._is_over(link):
            raise web.HTTPGone(text="This download is over: ask for another.\n", headers=HEADERS)
        file = (self._home / link.path).absolute()
        if not link.path or not await asyncio.to_thread(file.is_file):
            raise web.HTTPNotFound(text="There is no file yet, or no more.\n", headers=HEADERS)
        name = quote(link.name, safe="")
        return web.FileResponse(
            file,
            chunk_size=CHUNK_BYTES,
            headers={
                **HEADERS,
                "Content-Type": "application/octet-stream",
                "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            },
        )

    async def _is_token(self, link: DownloadLink, given: str) -> bool:
        try:
            token = await self._engine.secret(link.token_ref)
        except KeyError:
            return False
        return hmac.compare_digest(token.encode(), given.encode())

    def _is_over(self, link: DownloadLink) -> bool:
        """Time is up, what it gives is gone, or whoever asked may not act any more."""
        cloud = self._engine.cloud
        account = cloud[accounts].get(link.account_id)
        return (
            self._now_ms() >= link.expires_at_ms
            or link.thing_id not in cloud.table(link.kind)
            or account is None
            or account.state != "enabled"
        )

    async def preflight(self, request: web.Request) -> web.Response:
        """A console of another origin asks whether it may post."""
        request[COMMAND] = "upload"
        return web.Response(status=204, headers=CORS)

    async def upload(self, request: web.Request) -> web.Response:
        """Take the file of one upload, and begin to look at it."""
        request[COMMAND] = "upload"
        upload = self._awaited(request)
        if upload.id in self._receiving:
            return _told(409, "This upload is being received already.")
        self._receiving.add(upload.id)
        partial = partial_of((self._home / upload.path).absolute())
        try:
            return await self._receive(request, upload, partial)
        finally:
            self._receiving.discard(upload.id)

    def _awaited(self, request: web.Request) -> Upload:
        """The upload that this request is signed for."""
        upload = self._engine.cloud[uploads].get(_uuid(request.match_info["upload"]))
        given = sha256(request.headers.get("X-signature", "").encode()).hexdigest()
        expires = request.headers.get("X-expires", "")
        if (
            upload is None
            or not hmac.compare_digest(given, upload.signature_sha256)
            or expires not in ("", date(upload.expires_at_ms))
        ):
            raise web.HTTPUnauthorized(text="The signature is not of an upload.\n", headers=CORS)
        if self._now_ms() >= upload.expires_at_ms:
            raise web.HTTPGone(text="This upload is over: ask for another.\n", headers=CORS)
        return upload

    async def _receive(self, request: web.Request, upload: Upload, partial: Path) -> web.Response:
        """The whole file arrives while the signature is good, or nothing of it is kept."""
        by = By(account_id=upload.account_id, command="upload", action="UPLOAD.TAKE")
        ask = TakeUpload(upload_id=upload.id)
        try:
            async with asyncio.timeout((upload.expires_at_ms - self._now_ms()) / 1000):
                why = await receive(
                    partial,
                    _chunks(request),
                    lambda: self._engine.submit(ask, by),
                    sent_bytes=request.content_length or 0,
                    bytes_max=upload.bytes_max,
                )
        except TimeoutError:
            return _told(408, "The file did not arrive in time: ask for another upload.")
        except ValueError as wrong:
            return _told(400, f"The form cannot be read: {wrong}")
        return _told(400, why) if why else _told(200, "received")


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The file of a form, which is its first field with a file name; or the whole body."""
    if not request.content_type.startswith("multipart/"):
        async for chunk in request.content.iter_chunked(CHUNK_BYTES):
            yield chunk
        return
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and (part.filename or part.name == "file"):
            while chunk := await part.read_chunk(CHUNK_BYTES):
                yield chunk
            return
    raise ValueError("no field of it is a file")


def _told(status: int, text: str) -> web.Response:
    return web.json_response({"text": text}, status=status, headers={**HEADERS, **CORS})


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
