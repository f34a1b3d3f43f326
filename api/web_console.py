"""The web console's files, served below `/client/` as they are, to whoever comes.

All are read once, at the start, and each has a route of its own: what a stranger asks for is looked
up among names that are known, and never becomes a path. So nothing but these files can be had, and
no route of the API is behind another one. They hold no secrets, and what they may do in a browser
is said to it: run what this controller sends, and talk to it alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from aiohttp import hdrs, web

from api.app import COMMAND

AT = "/client/"
FIRST = "index.html"
# What lies there besides (notes, what editors leave) is no part of a page, and stays there.
TYPES: Mapping[str, str] = MappingProxyType(
    {
        ".html": "text/html",
        ".js": "text/javascript",
        ".css": "text/css",
        ".svg": "image/svg+xml",
        ".json": "application/json",
    }
)
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        # To be kept, and asked about each time: nobody goes on with those of an older release.
        "Cache-Control": "no-cache",
    }
)


@dataclass(frozen=True, slots=True)
class File:
    """What is sent: the bytes, their type, and the tag by which a browser knows them again."""

    body: bytes
    content_type: str
    tag: str

    @classmethod
    def read(cls, path: Path) -> File:
        body = path.read_bytes()
        return cls(body, TYPES[path.suffix], hashlib.sha256(body).hexdigest())


class WebConsole:
    """The files of a folder, by their names in it. A folder that is not there has none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = {
            AT + path.relative_to(folder).as_posix(): File.read(path)
            for path in folder.rglob("*")
            if path.suffix in TYPES and path.is_file()
        }
        if (first := self._files.get(AT + FIRST)) is not None:
            self._files[AT] = first

    def add_to(self, app: web.Application) -> None:
        for path in ("/", AT.removesuffix("/")):
            app.router.add_get(path, self.lead)
        for path in {AT, *self._files}:
            app.router.add_get(path, self.serve)

    async def lead(self, request: web.Request) -> web.Response:
        """Whoever comes by the address alone is led to the first page, behind a proxy too."""
        request[COMMAND] = "web console"
        return web.Response(status=302, headers={hdrs.LOCATION: AT})

    async def serve(self, request: web.Request) -> web.Response:
        """One file, or only that the browser's own copy is the same."""
        request[COMMAND] = "web console"
        if (file := self._files.get(request.path)) is None:
            return web.Response(
                status=404,
                text=f"The web console is not installed here: there is no {FIRST} in "
                f"{self._folder.name}/, beside the controller's own folders. The API is at "
                f"{AT}api.\n",
            )
        response = web.Response(headers=HEADERS)
        response.etag = file.tag
        # A proxy that compresses makes the tag a weak one: it still names the same file.
        if any(one.value in (file.tag, "*") for one in request.if_none_match or ()):
            response.set_status(304)
            return response
        response.content_type, response.charset = file.content_type, "utf-8"
        response.body = file.body
        return response
