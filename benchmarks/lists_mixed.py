"""How late lists are that arrive a thousand a second, while a hundred guests a second are deployed.

Pages of 500 guests of 100,000, filtered and signed, over HTTP, from a process that asks at random
moments whatever has become of what it asked before. The limit is the same crowd in the same run
when nobody deploys.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.cloud import ZONE, furnish
from benchmarks.crowd import crowd
from benchmarks.deploy_http import PARAMS
from benchmarks.lists import signed
from benchmarks.reads_under_writes import sealed
from engine.collector import settle
from sagastack.boot import Controller, controller
from sagastack.settings import Settings

ACCOUNTS, GUESTS_EACH, HOSTS = 200, 500, 200
LISTS_PER_S, DEPLOYS_PER_S = 1_000, 100
WARM_S, SECONDS = 2.0, 10.0
PAGES = 40
DEADLINE_S = 240.0
Row = dict[str, Any]


async def measure() -> list[Row]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        quiet = Settings(home=Path(folder), port=0, reconcile_s=3600, checkpoint_events=10**9)
        async with controller(quiet) as cloud:
            await furnish(cloud.engine, host_count=HOSTS)
            size = {"accounts": ACCOUNTS, "guests_each": GUESTS_EACH, "hosts": HOSTS}
            await crowd(cloud.engine, cloud.log, **size)
            await sealed(cloud)
            settle()
            cpu_s = time.process_time()
            stages = await _asked(cloud)
            cpu_s = time.process_time() - cpu_s
    return _rows(stages[-2], stages[-1], cpu_s / sum(one["whole_s"] for one in stages))


async def _asked(cloud: Controller) -> list[Row]:
    """What the crowd tells: while it warms up, then of lists alone, then of both."""
    keys: Any = await cloud.credentials()
    every = {"listall": "true", "zoneid": str(ZONE), "pagesize": "500"}
    stages = [(LISTS_PER_S, DEPLOYS_PER_S / 2, WARM_S)]
    stages += [(LISTS_PER_S, deploys, SECONDS) for deploys in (0, DEPLOYS_PER_S)]
    names = ("lists_per_s", "deploys_per_s", "seconds")
    asked = {
        "endpoint": cloud.endpoint,
        "apikey": keys.api_key,
        "secretkey": keys.secret_key,
        "urls": [signed(cloud, keys, **every, page=str(page)) for page in range(1, PAGES + 1)],
        "params": PARAMS,
        "label": "mixed",
        "stages": [dict(zip(names, stage, strict=True)) for stage in stages],
    }
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.open_load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            told, _ = await child.communicate(json.dumps(asked).encode() + b"\n")
    finally:
        if child.returncode is None:
            child.kill()
    assert child.returncode == 0, f"the crowd failed with {child.returncode}"
    answer: list[Row] = json.loads(told)
    return answer


def _rows(alone: Row, mixed: Row, busy: float) -> list[Row]:
    lists, deploys = mixed["lists"], mixed["deploys"]
    behind_s = mixed["whole_s"] - SECONDS
    return [
        {
            "name": "lists_mixed.p99",
            "value": round(lists["p99_ms"], 1),
            "unit": f"ms, {LISTS_PER_S} lists/s",
            "limit": round(alone["lists"]["p99_ms"], 1),
            "ratio": round(lists["p99_ms"] / alone["lists"]["p99_ms"], 2),
            "note": f"half within {lists['p50_ms']:.1f} ms, all within {lists['max_ms']:.0f} ms; "
            f"the crowd itself was late by {lists['sent_p99_ms']:.1f} ms (p99); the controller "
            f"was busy {100 * busy:.0f} % of a core and the crowd {100 * mixed['busy']:.0f} %; "
            f"{lists['unanswered']} were not answered",
        },
        {
            "name": "lists_mixed.deploys",
            # What had to be waited for after the end was not kept up with.
            "value": round(deploys["per_s"] * SECONDS / max(SECONDS, mixed["whole_s"] - 1.0)),
            "unit": "deploys/s meanwhile",
            "limit": DEPLOYS_PER_S,
            "note": f"accepted within {deploys['p99_ms']:.1f} ms (p99); the last guest ran "
            f"{behind_s:.1f} s after the last request",
        },
    ]


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
