"""`/schemas/`: what events look like, for those who read the log from Kafka or from `/events`.

`/schemas/vm.started.v1.json` is the JSON Schema of one topic and shape, `/schemas/asyncapi.json`
the document that names them all. Like the API's own description, they are no secret.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from engine import asyncapi, schemas


def body_of(name: str) -> bytes | None:
    """The file of that name; None where there is none."""
    if name == asyncapi.DOCUMENT:
        return msgspec.json.encode(asyncapi.document())
    named = schemas.parsed(name)
    found = schemas.schema(*named) if named else None
    return msgspec.json.encode(found) if found else None


async def serve_schema(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    body = body_of(name)
    if body is None:
        raise web.HTTPNotFound(
            text=f"There is no schema {name[:200]!r}: /schemas/{asyncapi.DOCUMENT} names all.\n"
        )
    kind = "application/json" if name == asyncapi.DOCUMENT else "application/schema+json"
    headers = {"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"}
    return web.Response(body=body, content_type=kind, headers=headers)
