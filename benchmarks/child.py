"""A helper in a process of its own that answers each line of JSON with one, for as long as needed.

One process serves many rounds: to start one copies this process's page tables, and that is no cost
of what is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

DEADLINE_S = 300.0
Tell = Callable[[Any], Awaitable[Any]]


@asynccontextmanager
async def child(module: str) -> AsyncIterator[Tell]:
    """`python -m MODULE`; call what this gives with what to ask, and it gives the answer."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    async def tell(asked: Any) -> Any:
        stdin.write(json.dumps(asked).encode() + b"\n")
        async with asyncio.timeout(DEADLINE_S):
            told = await stdout.readline()
        assert told, f"{module} failed"
        return json.loads(told)

    try:
        yield tell
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
