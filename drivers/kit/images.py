"""Images on the controller's disk, by `qemu-img`: what one is, and the same in another format.

Every call has a deadline and may be cancelled; what was under way is then killed. An output is
written beside its place and only named when it is whole.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import msgspec

from drivers.contract.errors import Refused, Unavailable

INFO_S = 60.0
CONVERT_S = 4 * 3600.0
# What qemu-img calls a format that is called otherwise here, and how formats are best written.
NAMES = {"vhd": "vpc"}
OPTIONS = {
    "vmdk": ("-o", "subformat=streamOptimized"),
    "vhd": ("-o", "subformat=dynamic,force_size=on"),
    "vhdx": ("-o", "subformat=dynamic"),
}


@dataclass(frozen=True, slots=True)
class Found:
    """What `qemu-img` says of a file. `backing` is a file that it needs, or empty."""

    image_format: str
    virtual_bytes: int
    file_bytes: int
    backing: str = ""


class _Info(msgspec.Struct, rename={"virtual": "virtual-size", "actual": "actual-size"}):
    format: str
    virtual: int
    actual: int = 0
    filename: str = ""
    backing: str = msgspec.field(default="", name="backing-filename")


async def look(path: str, image_format: str = "") -> Found:
    """What an image is. Naming its format is safer: a guest can write a header of another kind."""
    named = ("-f", NAMES.get(image_format, image_format)) if image_format else ()
    said = await _qemu_img("info", "--output=json", *named, path, timeout_s=INFO_S)
    info = msgspec.json.decode(said, type=_Info)
    shown = next((ours for ours, name in NAMES.items() if name == info.format), info.format)
    return Found(shown, info.virtual, os.stat(path).st_size, info.backing)


async def convert(
    source: str,
    source_format: str,
    target: str,
    target_format: str,
    *,
    options: tuple[str, ...] | None = None,
) -> Found:
    """Write `source` as `target` in another format; a target that is there is replaced.

    `options` are qemu-img's own for the target's format, instead of `OPTIONS`.
    """
    wanted = OPTIONS.get(target_format, ()) if options is None else options
    async with replacing(target) as partial:
        await _qemu_img(
            "convert",
            *("-f", NAMES.get(source_format, source_format)),
            *("-O", NAMES.get(target_format, target_format)),
            *wanted,
            source,
            partial,
            timeout_s=CONVERT_S,
        )
    return await look(target, target_format)


@asynccontextmanager
async def replacing(target: str) -> AsyncIterator[str]:
    """A path to write to, which becomes `target` if the block ends well and is gone if not."""
    partial = f"{target}.partial"
    try:
        yield partial
        await asyncio.to_thread(os.replace, partial, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(partial)
        raise


async def _qemu_img(*words: str, timeout_s: float) -> bytes:
    """Refused: it is no such image. Unavailable: no room, or it took too long."""
    tool = shutil.which("qemu-img")
    if tool is None:
        raise Refused("qemu-img is not installed here: install qemu-utils, and try again")
    process = await asyncio.create_subprocess_exec(
        tool,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
    )
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate()
    except TimeoutError:
        raise Unavailable(f"qemu-img {words[0]} was not over after {timeout_s:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return out
    said = err.decode(errors="replace").strip()
    kind = Unavailable if "No space left" in said else Refused
    raise kind(f"qemu-img {words[0]}: {said}")
