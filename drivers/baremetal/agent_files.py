"""The agent's kernel and initramfs, made from Debian's packages when they are first needed.

They are built by a program of their own (`python -m guest.agent`), so that this driver needs
nothing but its folder.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from drivers.contract.errors import Unavailable

BUILD_S = 900.0
NAMES = ("vmlinuz", "agent.gz")


class AgentFiles:
    """A folder that holds the agent, once `ready` has returned."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._turn = asyncio.Lock()

    async def ready(self) -> None:
        """Unavailable: it could not be built here, and why."""
        async with self._turn:
            if all((self.folder / name).exists() for name in NAMES):
                return
            words = ("-m", "guest.agent", "--into", str(self.folder))
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            try:
                async with asyncio.timeout(BUILD_S):
                    said, _ = await process.communicate()
            except TimeoutError:
                raise Unavailable(f"the agent was not built within {BUILD_S:.0f} s") from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            if process.returncode != 0:
                words_said = said.decode(errors="replace").strip()[-400:]
                raise Unavailable(
                    f"the agent that inspects machines cannot be built: {words_said}. Run "
                    f"`python {' '.join(words)}` to see why"
                )
