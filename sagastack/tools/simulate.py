"""Serve a simulated data centre to several controllers."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sagastack.commands import Commands, until_stopped
from sagastack.settings import Settings


def add(commands: Commands) -> None:
    one = commands.command(
        "simulate",
        _run,
        "serve a simulated data centre to several controllers",
        example="sagastack simulate --listen 127.0.0.1:8090 --state world.jsonl",
        json=False,
        store=False,
    )
    one.add_argument("--listen", default="127.0.0.1:8090", help="host:port (port 0 for any)")
    one.add_argument("--state", type=Path, help="file that keeps it over restarts")


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    stopped = until_stopped()
    async with simulated(settings, args.listen, args.state) as address:
        print(f"sagastack simulates a data centre on {address}", flush=True)
        await stopped.wait()
    return 0


@asynccontextmanager
async def simulated(settings: Settings, listen: str, state: Path | None) -> AsyncIterator[str]:
    """The address of a world that is served until the block ends.

    What goes wrong in it is said by `SAGASTACK_SIMULATOR` as for a controller with a world of its
    own. With `state` it is kept in that file, and found there again.
    """
    from drivers.sim.driver import make_own
    from drivers.sim.remote import address_of
    from drivers.sim.server import serving

    host, port = address_of(listen)
    kept = {"state": str(state)} if state else {}
    driver = make_own(kept | settings.simulator)
    try:
        async with serving(driver, host, port) as found:
            yield f"{host}:{found}"
    finally:
        await driver.close()
