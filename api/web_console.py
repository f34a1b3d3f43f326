"""The web console's files (`ui/`), as they are: read once, and told apart by name alone.

What is asked for is looked up among the files that were found at the start; no path is ever made
of what a stranger sent. The policy that comes with each allows what this server sends and nothing
else (Content Security Policy Level 3), so a value that looks like a script stays text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ETag, hdrs, web

from api.app import COMMAND

AT = "/client/"
FIRST = "index.html"
TYPES: Mapping[str, str] = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
MISSING = (
    "The web console's files are not installed here: look for the folder ui/ of the release.\n"
)


@dataclass(frozen=True, slots=True)
class File:
    """What is sent: the bytes, their type and the tag by which a browser knows them again."""

    body: bytes
    content_type: str
    tag: str

    @classmethod
    def read(cls, path: Path) -> File:
        body = path.read_bytes()
        return cls(body, TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:32])


class WebConsole:
    """The files of a folder below `/client/`. A folder that is not there has none."""

    def __init__(self, folder: Path) -> None:
        found = sorted(path for path in folder.glob("*") if path.suffix in TYPES)
        self._files = {path.name: File.read(path) for path in found}

    def add_to(self, app: web.Application) -> None:
        for path in ("/", AT.removesuffix("/")):
            app.router.add_get(path, self.lead)
        app.router.add_get(AT, self.serve)
        for name in self._files:
            app.router.add_get(AT + name, self.serve)

    async def lead(self, request: web.Request) -> web.Response:
        """Whoever comes without a path is led to the console."""
        return web.Response(status=302, headers={hdrs.LOCATION: AT})

    async def serve(self, request: web.Request) -> web.Response:
        """One file, or that the browser's own copy is still the same."""
        request[COMMAND] = "ui"
        name = request.path.removeprefix(AT) or FIRST
        if (file := self._files.get(name)) is None:
            return web.Response(status=404, text=MISSING)
        response = web.Response(headers=HEADERS)
        response.etag = file.tag
        known = request.if_none_match or ()
        if ETag(file.tag) in known or any(one.value == "*" for one in known):
            response.set_status(304)
            return response
        response.body, response.content_type, response.charset = (
            file.body,
            file.content_type,
            "utf-8",
        )
        return response
