"""Files of a repository, by the controller's own mount of it: never seen before they are whole.

What is being made lies in `.sagastack/incoming` under the id of what it will be, and gets its name
at once. What was left half made there goes when its id is removed, or after a day.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID, uuid4

from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import PoolFacts
from drivers.oraclevm.repo import OURS, Repo

INCOMING = f"{OURS}/incoming"
FOLDERS = ("images", "snapshots", "incoming", "config", "rests", "adopted", "disowned")
STALE_S = 24 * 3600.0


async def prepare(repo: Repo) -> None:
    """Our folders are there, and what was left half made long ago is not."""
    await asyncio.to_thread(_prepare, repo)


def _prepare(repo: Repo) -> None:
    if not repo.local.is_dir():
        raise Refused(f"{repo.local}, where {repo.export} should be mounted, is no folder here")
    with _told(repo):
        for name in FOLDERS:
            (repo.local / OURS / name).mkdir(parents=True, exist_ok=True)
        probe = repo.file(f"{INCOMING}/.now-{uuid4().hex}")
        probe.touch()
        now_s = probe.stat().st_mtime
        probe.unlink()
        for left in repo.file(INCOMING).iterdir():
            with suppress(FileNotFoundError):
                if now_s - left.stat().st_mtime > STALE_S:
                    left.unlink()


async def facts(repo: Repo) -> PoolFacts:
    def look() -> PoolFacts:
        with _told(repo):
            there = os.statvfs(repo.local)
        capacity = there.f_blocks * there.f_frsize
        return PoolFacts(
            capacity_bytes=capacity, used_bytes=capacity - there.f_bfree * there.f_frsize
        )

    return await asyncio.to_thread(look)


@asynccontextmanager
async def incoming(
    repo: Repo, one: UUID, within: str, *, note: str = "", over: bool = False
) -> AsyncIterator[str]:
    """A place to write to, which becomes `within` if the block ends well and is gone if not.

    What somebody else has made there meanwhile stays, unless this is to be put `over` it.
    """
    made = f"{INCOMING}/{one}.{note}{uuid4().hex}"
    try:
        yield made
        await asyncio.to_thread(_name, repo, made, within, over)
    finally:
        with suppress(FileNotFoundError):
            repo.file(made).unlink()


def _name(repo: Repo, made: str, within: str, over: bool) -> None:
    with _told(repo):
        final = repo.file(within)
        final.parent.mkdir(parents=True, exist_ok=True)
        if over:
            os.replace(repo.file(made), final)
        else:
            with suppress(FileExistsError):
                os.link(repo.file(made), final)


async def lay_out(repo: Repo, within: str, size_bytes: int, *, fully: bool = False) -> None:
    """Make the file this large, if it is not; `fully`: with all of its room."""

    def work() -> None:
        with _told(repo), repo.file(within).open("ab") as file:
            if file.seek(0, os.SEEK_END) < size_bytes:
                file.truncate(size_bytes)
            if fully:
                os.posix_fallocate(file.fileno(), 0, size_bytes)

    await asyncio.to_thread(work)


async def size(repo: Repo, within: str) -> tuple[int, int] | None:
    """How large a file is, and how much of it is laid out; None if it is not there."""
    return await asyncio.to_thread(_size, repo, within)


def _size(repo: Repo, within: str) -> tuple[int, int] | None:
    try:
        found = repo.file(within).stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"{repo.export}: {error}") from error
    return found.st_size, found.st_blocks * 512


async def names(repo: Repo, folder: str, suffix: str = "") -> list[str]:
    """What lies in a folder, by name."""

    def look() -> list[str]:
        with _told(repo), suppress(FileNotFoundError):
            return sorted(n for n in os.listdir(repo.file(folder)) if n.endswith(suffix))
        return []

    return await asyncio.to_thread(look)


async def remove(repo: Repo, within: str, *, folder: bool = False) -> None:
    """Gone already is success. `folder`: with the folder that is its own."""

    def work() -> None:
        with _told(repo), suppress(FileNotFoundError):
            repo.file(within).unlink()
        if folder:
            shutil.rmtree(repo.file(within).parent, ignore_errors=True)

    await asyncio.to_thread(work)


async def drop_incoming(repo: Repo, one: UUID) -> list[str]:
    """Remove what was half made under an id; the notes of what that was."""
    left = [name for name in await names(repo, INCOMING) if name.startswith(f"{one}.")]
    for name in left:
        await remove(repo, f"{INCOMING}/{name}")
    return [name.removeprefix(f"{one}.") for name in left]


async def write(repo: Repo, within: str, content: bytes) -> None:
    """A small record of ours, whole or not at all."""

    def work() -> None:
        with _told(repo):
            part = repo.file(f"{INCOMING}/{uuid4().hex}")
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            repo.file(within).parent.mkdir(parents=True, exist_ok=True)
            os.replace(part, repo.file(within))

    await asyncio.to_thread(work)


async def read(repo: Repo, within: str) -> bytes | None:
    def work() -> bytes | None:
        with _told(repo), suppress(FileNotFoundError):
            return repo.file(within).read_bytes()
        return None

    return await asyncio.to_thread(work)


class _told:
    """Errors of the file system, as the contract's: a repository that hangs or is full."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo

    def __enter__(self) -> Path:
        return self._repo.local

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            raise Unavailable(f"repository {self._repo.export}: {error}") from error
