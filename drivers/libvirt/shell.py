"""Commands on a host, with one face whether the host is this machine or at the end of SSH.

A command is always a list of arguments, never a line to be parsed: `sh -c` appears only with a
script of ours, and what varies goes in as `$1`, `$2`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from drivers.contract.errors import Unavailable, Unknown

COMMAND_S = 60.0
COPY_S = 60.0


@dataclass(frozen=True, slots=True)
class Output:
    """What a finished command said. `code` is its exit status."""

    code: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """The last thing it complained of, for a message."""
        lines = (self.stderr or self.stdout).strip().splitlines()
        return lines[-1] if lines else f"exit status {self.code}"


class Shell(Protocol):
    """One host's command line."""

    async def run(self, *argv: str, timeout_s: float = COMMAND_S) -> Output:
        """Run to the end. Unavailable: no way in. Unknown: cut off, or not over in time."""

    async def reach(self, path: str, scratch: str, *, timeout_s: float) -> str:
        """Where the controller's file `path` can be read on the host: `scratch` if copied."""

    async def fetch(self, path: str, target: str, *, timeout_s: float) -> None:
        """Move a file of the host to the controller, where it appears as a whole."""

    async def forward_port(self, port: int) -> tuple[str, int]:
        """Where the controller reaches a port that listens on the host's loopback."""

    async def close(self) -> None: ...


class LocalShell:
    """This machine: each command in a process group of its own, killed whole when it is late.

    Starting a process holds the event loop for a moment, so they start one at a time.
    """

    def __init__(self) -> None:
        self._starting = asyncio.Lock()

    async def run(self, *argv: str, timeout_s: float = COMMAND_S) -> Output:
        async with self._starting:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C"},
            )
        try:
            async with asyncio.timeout(timeout_s):
                out, err = await process.communicate()
        except TimeoutError:
            raise Unknown(f"{argv[0]} was not over after {timeout_s:g} s") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):  # Over already, and not yet told so.
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        code = process.returncode if process.returncode is not None else -1
        return Output(code, out.decode(errors="replace"), err.decode(errors="replace"))

    async def reach(self, path: str, scratch: str, *, timeout_s: float) -> str:
        return path

    async def fetch(self, path: str, target: str, *, timeout_s: float) -> None:
        """A rename where both are on one file system; else a copy, and then a rename."""
        part = f"{target}.part"
        done = await self.run("mv", "-fT", "--", path, part, timeout_s=timeout_s)
        if done.code:
            raise Unavailable(f"{path} cannot be moved to {target}: {done.complaint}")
        await asyncio.to_thread(os.replace, part, target)

    async def forward_port(self, port: int) -> tuple[str, int]:
        return "127.0.0.1", port

    async def close(self) -> None:
        return None


def is_same_machine(one: Shell, other: Shell) -> bool:
    """Two hosts whose commands run here share this machine's files."""
    return isinstance(one, LocalShell) and isinstance(other, LocalShell)


@asynccontextmanager
async def brought(shell: Shell, content: bytes, scratch: str) -> AsyncIterator[str]:
    """A file on the host that nobody else may open; `scratch` is its path there if it is copied."""
    local = await asyncio.to_thread(_written, content)
    there = ""
    try:
        there = await shell.reach(local, scratch, timeout_s=COPY_S)
        yield there
    finally:
        await asyncio.to_thread(os.unlink, local)
        if there == scratch:
            await shell.run("rm", "-f", "--", scratch)


def _written(content: bytes) -> str:
    descriptor, path = tempfile.mkstemp(prefix="sagastack-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return path
