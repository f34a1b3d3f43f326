"""Public addresses over HTTP: `associateIpAddress`, signed, each on disk before it is answered.

Two clients in processes of their own ask at once, many requests under way at a time. An address is
taken when its request is answered, so nobody polls. Afterwards the cloud is looked at: as many
addresses as were asked for, and none twice, neither among the records nor on the ledgers.
"""

from __future__ import annotations

import asyncio
import cProfile
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks import phases
from benchmarks.cloud import BY, NETWORK, WIRE, ZONE, furnish, named
from benchmarks.profiled import profiling
from benchmarks.tenants import tenants
from engine.collector import settle
from engine.intents.vlan_ip_range import CreateVlanIpRange
from projections.addresses import Addresses
from projections.public_ip_address import public_ip_addresses
from projections.vlan_ip_range import space_of
from sagastack.boot import Controller, controller
from sagastack.settings import Settings

CLIENTS, AT_A_TIME = 2, 64
ADDRESSES, ROUNDS = 2_000, 5
RANGE = named("public range")
Row = dict[str, Any]


@asynccontextmanager
async def cloud_of_addresses() -> AsyncIterator[Controller]:
    """A cloud with a hundred thousand public addresses."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        quiet: dict[str, Any] = {"reconcile_s": 1e6, "checkpoint_events": 10**9}
        async with controller(Settings(home=Path(folder), port=0, **quiet)) as cloud:
            await furnish(cloud.engine, host_count=1)
            fields = {
                "zone_id": ZONE, "physical_network_id": WIRE, "gateway": "198.18.0.1",
                "netmask": "255.254.0.0", "start_ip": "198.18.0.2", "end_ip": "198.19.255.254",
                "for_virtual_network": True, "vlan": "vlan://untagged",
            }  # fmt: skip
            await cloud.engine.decide(CreateVlanIpRange(id=RANGE, fields=fields), BY)
            yield cloud


async def take(cloud: Controller, keys: dict[str, str], count: int) -> float:
    """So many addresses, asked for by all clients together; seconds that the slowest took."""
    asked: dict[str, Any] = {"params": {"networkid": str(NETWORK)}, "label": "", "polls": False}
    asked |= {"count": count // CLIENTS, "at_a_time": AT_A_TIME // CLIENTS}
    async with asyncio.TaskGroup() as group:
        clients = [
            group.create_task(tenants(cloud.endpoint, keys, "associateIpAddress", **asked))
            for _ in range(CLIENTS)
        ]
    return max(float(one.result()["wall_s"]) for one in clients)


def doubles(cloud: Controller, expected: int) -> int:
    """How many addresses somebody has beside another; the clients were given `expected`."""
    rows = list(cloud.cloud[public_ip_addresses])
    assert len(rows) == expected, f"{len(rows)} addresses, {expected} were asked for"
    said = Counter(row.address for row in rows)
    held = Counter(
        taken.number
        for taken in cloud.cloud.view(Addresses).holds.values()
        if taken.space_id == space_of(RANGE)
    )
    assert len(held) == len(said), "the ledgers do not say what the records say"
    return sum(count - 1 for count in (*said.values(), *held.values()))


async def measure() -> list[Row]:
    async with cloud_of_addresses() as cloud:
        made = await cloud.credentials()
        assert made is not None
        keys = {"apikey": made.api_key, "secretkey": made.secret_key}
        settle()
        await take(cloud, keys, ADDRESSES)
        rates, cpu_us, loop_us = [], [], []
        before = phases.threads_s()
        for _ in range(ROUNDS):
            cpu_s, loop_s = time.process_time(), time.thread_time()
            rates.append(ADDRESSES / await take(cloud, keys, ADDRESSES))
            cpu_us.append(1e6 * (time.process_time() - cpu_s) / ADDRESSES)
            loop_us.append(1e6 * (time.thread_time() - loop_s) / ADDRESSES)
        threads_us = phases.since(before, ROUNDS * ADDRESSES)
        profile = cProfile.Profile()
        with profiling(profile):
            await take(cloud, keys, ADDRESSES)
        cost, on_loop = statistics.median(cpu_us), statistics.median(loop_us)
        return [
            {
                "name": "addresses_http.rate",
                "value": round(statistics.median(rates)),
                "unit": "addresses/s",
                "note": f"{CLIENTS} clients, {AT_A_TIME} requests under way; on the same cores",
            },
            {"name": "addresses_http.cpu", "value": round(cost), "unit": "us CPU/address"},
            {
                "name": "addresses_http.doubles",
                "value": doubles(cloud, ADDRESSES * (ROUNDS + 2)),
                "unit": f"of {ADDRESSES * (ROUNDS + 2):,} addresses",
            },
            *phases.rows("addresses_http", profile, on_loop, cost - on_loop, threads_us),
        ]


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
