"""What a deploy costs a whole controller over HTTP: signature, parsing, rights, polls and answers.

The client is another process; only the controller's CPU time is counted. A client asks for its
job five times a second, as usual clients do, and those polls are part of the cost.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.cloud import NETWORK, OFFERING, ZONE, furnish
from engine.genesis import BUILTIN_TEMPLATE
from sagastack.boot import controller
from sagastack.settings import Settings

DEPLOYS = 320
AT_A_TIME = 64
HOSTS = 20
DEADLINE_S = 120.0
PARAMS = {
    "zoneid": str(ZONE),
    "templateid": str(BUILTIN_TEMPLATE),
    "serviceofferingid": str(OFFERING),
    "networkids": str(NETWORK),
}


async def load(
    endpoint: str, keys: dict[str, str], label: str, count: int, clients: int = 1
) -> float:
    """Let a client, one of so many, deploy `count` guests; how long that took it."""
    asked: dict[str, Any] = {"endpoint": endpoint, "params": PARAMS, "label": label}
    asked |= {"apikey": keys["apikey"], "secretkey": keys["secretkey"]}
    asked |= {"count": count, "at_a_time": AT_A_TIME // clients}
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.http_load"),
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
    return float(json.loads(told)["wall_s"])


async def measure() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        async with controller(Settings(home=Path(folder), port=0)) as cloud:
            await furnish(cloud.engine, host_count=HOSTS)
            made = await cloud.credentials()
            assert made is not None
            keys = {"apikey": made.api_key, "secretkey": made.secret_key}
            await load(cloud.endpoint, keys, "warm", AT_A_TIME)
            cpu_s = time.process_time()
            wall_s = await load(cloud.endpoint, keys, "guest", DEPLOYS)
            cpu_s = time.process_time() - cpu_s
    cost = round(1e6 * cpu_s / DEPLOYS)
    return [
        {"name": "deploy_http.cpu", "value": cost, "unit": "us CPU/deploy"},
        {"name": "deploy_http.rate", "value": round(DEPLOYS / wall_s), "unit": "deploys/s"},
    ]


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
