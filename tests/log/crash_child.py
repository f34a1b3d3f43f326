"""Writes until it is killed; prints the position of each event that was acknowledged."""

from __future__ import annotations

import asyncio
import sys
from uuid import uuid4

from engine.log import Log
from tests.log.toys import unit


async def main(url: str) -> None:
    log = await Log.open(url, now_ms=lambda: 1)

    async def write() -> None:
        stream, version = uuid4(), 0
        while True:
            told = await log.append(unit(stream, version, "a", "b"))
            version = told[-1].version
            for one in told:
                sys.stdout.write(f"{one.position} {one.stream} {one.version}\n")
            sys.stdout.flush()

    async with asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(write())


asyncio.run(main(sys.argv[1]))
