"""Deploys over HTTP, whole, with the log in PostgreSQL and every event published to Kafka.

As `deploy_http`, in a controller that could be one of several: it follows the store, takes part in
the group, and holds the relay. PostgreSQL and Kafka are processes on the same machine.
"""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks import deploy_http
from benchmarks.skipped import Skipped
from tests.peers import kafka, postgres

# The members of the group share the sagas out within it.
SHARED_OUT_S = 8.0


async def measure() -> list[dict[str, Any]]:
    try:
        with postgres.cluster() as server, kafka.broker() as broker:
            store = {"store": server.database(), "kafka": broker.servers, "topics": "bench"}
            async with deploy_http.bench(deploy_http.HOSTS, deploy_http.FEW, **store) as one:
                await asyncio.sleep(SHARED_OUT_S)
                return await deploy_http.rates(one, "deploy_shared")
    except (kafka.Missing, postgres.Missing) as missing:
        raise Skipped(str(missing)) from missing


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
