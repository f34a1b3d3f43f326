"""Save a checkpoint: `python -m sagastack.tools.checkpoint HOME STORE`. The server runs this."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from sagastack.settings import Settings
from sagastack.tools.opened import opened


async def save(settings: Settings) -> None:
    async with opened(settings) as (_, history):
        await history.checkpoint()


if __name__ == "__main__":
    home, store = sys.argv[1:]
    asyncio.run(save(Settings(home=Path(home), store=store)))
