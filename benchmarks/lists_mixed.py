"""How late lists are that arrive a thousand a second, while a hundred guests a second are deployed.

Pages of 100,000 guests, filtered and signed, over HTTP, from a process that asks at random moments
whatever has become of what it asked before: pages of 500, nearly a megabyte each, and of 20, as
consoles ask for, of the guests that are deployed meanwhile too. The limit is the machine's own: in
the same run a bare application in the same loop sends the same crowd the same bytes ready-made, and
nobody deploys. Where that is late already, a thousand such answers a second are more than this
machine can carry, whoever makes them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.child import Tell, child
from benchmarks.cloud import ZONE
from benchmarks.crowd import crowded
from benchmarks.deploy_http import PARAMS
from benchmarks.lists import ACCOUNTS, GUESTS_EACH, HOSTS, fetched, ready_made, signed
from sagastack.boot import Controller

LISTS_PER_S, DEPLOYS_PER_S = 1_000, 100
WARM_S, SECONDS = 2.0, 8.0
# From all over the cloud; the last is of the guests that are deployed meanwhile.
PAGES = 40
SIZES = {"": 500, "page_of_20.": 20}
Row = dict[str, Any]


async def measure() -> list[Row]:
    async with crowded(accounts=ACCOUNTS, guests_each=GUESTS_EACH, hosts=HOSTS) as cloud:
        async with child("benchmarks.open_load") as crowd:
            return [
                row
                for label, size in SIZES.items()
                for row in _rows(label, size, await _asked(cloud, crowd, size))
            ]


async def _asked(cloud: Controller, crowd: Tell, size: int) -> dict[str, Row]:
    """What the crowd tells of each stage, and how busy the controller was."""
    keys: Any = await cloud.credentials()
    every = {"listall": "true", "zoneid": str(ZONE), "pagesize": str(size)}
    last = ACCOUNTS * GUESTS_EACH // size + 1
    pages = [*range(1, last, max(1, last // PAGES)), last]
    urls = [signed(cloud, keys, **every, page=str(page)) for page in pages]
    asked = {
        "apikey": keys.api_key,
        "secretkey": keys.secret_key,
        "params": PARAMS,
        "label": f"mixed-{size}",
    }

    async def stage(urls: list[str], deploys: float, seconds: float = SECONDS) -> Row:
        rates = {"lists_per_s": LISTS_PER_S, "deploys_per_s": deploys, "seconds": seconds}
        cpu_s = time.process_time()
        where = {"endpoint": urls[0].partition("?")[0], "urls": urls, "stages": [rates]}
        told: Row = (await crowd(asked | where))[0]
        return told | {"controller": (time.process_time() - cpu_s) / told["whole_s"]}

    async with ready_made([await fetched(url) for url in urls]) as bare:
        return await _stages(stage, bare, urls)


async def _stages(
    stage: Callable[..., Awaitable[Row]], bare: list[str], urls: list[str]
) -> dict[str, Row]:
    await stage(bare, 0, WARM_S)
    ready = await stage(bare, 0)
    await stage(urls, DEPLOYS_PER_S / 2, WARM_S)
    return {
        "ready": ready,
        "alone": await stage(urls, 0),
        "mixed": await stage(urls, DEPLOYS_PER_S),
    }


def _rows(label: str, size: int, stages: dict[str, Row]) -> list[Row]:
    ready, alone, mixed = (stages[name]["lists"] for name in ("ready", "alone", "mixed"))
    deploys, whole_s = stages["mixed"]["deploys"], stages["mixed"]["whole_s"]
    busy = "; ".join(
        f"{name}: controller {100 * told['controller']:.0f} %, crowd {100 * told['busy']:.0f} %"
        for name, told in stages.items()
    )
    return [
        {
            "name": f"lists_mixed.{label}p99",
            "value": round(mixed["p99_ms"], 1),
            "unit": f"ms, {LISTS_PER_S} of {size} rows/s",
            "limit": round(ready["p99_ms"], 1),
            "ratio": round(mixed["p99_ms"] / ready["p99_ms"], 2),
            "note": f"the limit is ready-made; half within {mixed['p50_ms']:.1f} ms, all within "
            f"{mixed['max_ms']:.0f} ms, {mixed['unanswered']} not answered; nobody deploying: "
            f"{alone['p99_ms']:.1f} ms (p99); the crowd itself was late by "
            f"{mixed['sent_p99_ms']:.1f} ms (p99); of a core, {busy}",
        },
        {
            "name": f"lists_mixed.{label}deploys",
            # What had to be waited for after the end was not kept up with.
            "value": round(deploys["per_s"] * SECONDS / max(SECONDS, whole_s - 1.0)),
            "unit": "deploys/s meanwhile",
            "limit": DEPLOYS_PER_S,
            "note": f"accepted within {deploys['p99_ms']:.1f} ms (p99); the last guest ran "
            f"{whole_s - SECONDS:.1f} s after the last request",
        },
    ]


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
