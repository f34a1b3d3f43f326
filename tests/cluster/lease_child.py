"""A process that works whenever it has a lease, and says so; for tests that pause or kill it.

It writes a line for each token it begins with, one when the work is cancelled, and one whenever it
looks and cannot be sure that the lease is still its own. It runs on the product's event loop.
"""

from __future__ import annotations

import sys

import uvloop

from engine.clock import SystemClock
from engine.cluster.leases import Leases


async def main(url: str, name: str) -> None:
    clock = SystemClock()
    leases = Leases(url, name, clock)

    async def work(token: int) -> None:
        print(f"begins {token}", flush=True)
        try:
            while True:
                held = leases.token("relay")
                if held is None:
                    print(f"unsure {token}", flush=True)
                await clock.sleep(0.01)
        finally:
            print(f"ends {token}", flush=True)

    await leases.while_held("relay", work)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2]))
