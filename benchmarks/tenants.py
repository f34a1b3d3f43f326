"""Tenants in a process of their own (`tenant_load`), who ask what they are told to."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from typing import Any

DEADLINE_S = 240.0


async def tenants(endpoint: str, keys: dict[str, str], command: str, **asked: Any) -> Any:
    """Let the client's process do this; what it tells of it."""
    # `keys` may name an endpoint too: that of the controller that told them.
    asked |= {**keys, "endpoint": endpoint, "command": command}
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.tenant_load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            told, _ = await client.communicate(json.dumps(asked).encode() + b"\n")
    finally:
        if client.returncode is None:
            client.kill()
    assert client.returncode == 0, f"the client failed with {client.returncode}"
    return json.loads(told)


def sustained(ends_s: Iterable[float]) -> float:
    """How many a second came to an end, but for the first and the last tenth of them: while clients
    begin, and while the last of them wait, less is under way than they would have."""
    ends = sorted(ends_s)
    middle = ends[len(ends) // 10 : len(ends) * 9 // 10]
    return (len(middle) - 1) / (middle[-1] - middle[0])
