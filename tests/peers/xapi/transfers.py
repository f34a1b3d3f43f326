"""Disks in and out, and consoles: what XAPI does over HTTP beside its calls."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.peers.xapi import disks, storage
from tests.peers.xapi.calls import Context
from tests.peers.xapi.people import end_task, new_task
from tests.peers.xapi.store import XapiError

if TYPE_CHECKING:
    from tests.peers.xapi.server import Request

CHUNK_BYTES = 1 << 18
BANNER = b"RFB 003.008\n"


async def _disk(context: Context, request: Request) -> str | None:
    """The VDI that is meant, if this host reaches it; else the line is sent elsewhere."""
    from tests.peers.xapi.server import plain

    store, named = context.store, request.query.get("vdi", "")
    try:
        vdi = named if store.has("VDI", named) else store.by_uuid("VDI", named)
    except XapiError:
        await plain(request, "404 Not Found")
        return None
    sr = store.get("VDI", vdi)["SR"]
    plugged = [
        store.get("PBD", p)["host"] for p in store.refs("PBD", SR=sr, currently_attached=True)
    ]
    if context.host in plugged:
        return vdi
    if not plugged:
        await plain(request, "500 Internal Server Error")
        return None
    query = "&".join(f"{name}={value}" for name, value in request.query.items())
    location = f"{context.world.url(plugged[0])}{request.path}?{query}"
    request.writer.write(
        f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    await request.writer.drain()
    return None


def _task(context: Context, request: Request, label: str) -> str:
    named = request.query.get("task_id", "")
    return named if context.store.has("task", named) else new_task(context, label)


async def import_raw_vdi(context: Context, request: Request) -> None:
    """The answer comes first, then the bytes are read; how it ended is in the task alone."""
    from tests.peers.xapi.server import plain

    vdi = await _disk(context, request)
    if vdi is None:
        return
    context.task = _task(context, request, "Importing raw VDI")
    image_format = request.query.get("format", "raw")
    if "chunked" in request.headers.get("transfer-encoding", ""):
        end_task(context, context.task, "failure", error=("INTERNAL_ERROR", "chunked encoding"))
        await plain(request, "403 Forbidden")
        return
    if image_format not in ("raw", "vhd"):
        error = ("INTERNAL_ERROR", f"Unknown format {image_format}")
        end_task(context, context.task, "failure", error=error)
        await plain(request, "404 Not Found")
        return
    request.writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache\r\n\r\n")
    await request.writer.drain()
    sent = context.world.folder / f"sent-{uuid4().hex}"
    try:
        storage.need_free(context, vdi, "import")
        async with context.working("vdi_import", vdi, takes_s=0):
            await _receive(request, sent, context)
            await disks.write(context.world.file(vdi), sent, image_format)
    except XapiError as error:
        end_task(context, context.task, "failure", error=(error.code, *error.params))
    except (disks.BadImage, asyncio.IncompleteReadError, OSError) as error:
        end_task(context, context.task, "failure", error=("VDI_IO_ERROR", str(error)))
    else:
        end_task(context, context.task, "success")
    finally:
        sent.unlink(missing_ok=True)


async def _receive(request: Request, sent: Path, context: Context) -> None:
    fault = context.world.behaviour.take("import_raw_vdi")
    left, cut_at = request.length, request.length // 2
    with await asyncio.to_thread(sent.open, "wb") as file:
        while left:
            data = await request.reader.readexactly(min(CHUNK_BYTES, left))
            file.write(data)
            left -= len(data)
            if fault is not None and left <= cut_at:
                await asyncio.sleep(fault.delay_s)
                if fault.drop:
                    request.writer.transport.abort()
                    raise OSError("the line was cut in the middle")


async def export_raw_vdi(context: Context, request: Request) -> None:
    from tests.peers.xapi.server import plain

    vdi = await _disk(context, request)
    if vdi is None:
        return
    context.task = _task(context, request, "Exporting raw VDI")
    world, image_format = context.world, request.query.get("format", "raw")
    if image_format not in ("raw", "vhd"):
        end_task(context, context.task, "failure", error=("INTERNAL_ERROR", "Unknown format"))
        await plain(request, "404 Not Found")
        return
    path, made = world.file(vdi), world.folder / f"export-{uuid4().hex}"
    for vbd in storage.attached(context, vdi):
        if context.store.get("VBD", vbd)["mode"] == "RW":
            end_task(context, context.task, "failure", error=("VDI_IN_USE", vdi, "export"))
            await plain(request, "500 Internal Server Error")
            return
    fault = world.behaviour.take("export_raw_vdi")
    try:
        if image_format == "vhd":
            await disks.as_vhd(path, made)
            path = made
        request.writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        with path.open("rb") as file:
            while data := file.read(CHUNK_BYTES):
                if fault is not None and fault.drop:
                    request.writer.transport.abort()
                    raise OSError("the line was cut in the middle")
                request.writer.write(data)
                await request.writer.drain()
    except (disks.BadImage, OSError) as error:
        end_task(context, context.task, "failure", error=("VDI_IO_ERROR", str(error)))
    else:
        end_task(context, context.task, "success")
    finally:
        made.unlink(missing_ok=True)


async def console(context: Context, request: Request) -> None:
    """After the answer the line is the guest's VNC server: here its banner, and then an echo."""
    from tests.peers.xapi.server import plain

    store = context.store
    try:
        ref = store.by_uuid("console", request.query.get("uuid", ""))
    except XapiError:
        await plain(request, "404 Not Found")
        return
    vm = store.get("console", ref)["VM"]
    if store.get("VM", vm)["resident_on"] != context.host:
        await plain(request, "404 Not Found")
        return
    request.writer.write(b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n" + BANNER)
    await request.writer.drain()
    with suppress(OSError):
        while data := await request.reader.read(CHUNK_BYTES):
            request.writer.write(data)
            await request.writer.drain()
