"""A relay in a process of its own, which tests kill, or which stops itself at a chosen commit.

    relay_child.py URL SERVERS PREFIX PARTITIONS [before|after|pause N | leased]

`before` and `after`: it kills itself around the N-th commit; `pause`: it sleeps (SIGSTOP) before
it. `leased`: it publishes whenever it holds the lease, as a controller does. It prints a line when
its relay has begun, and each time that its relay was fenced.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from itertools import count

from aiokafka import AIOKafkaProducer

from engine.clock import SystemClock
from engine.cluster import relay as module
from engine.cluster.duties import Alone, Duties
from engine.cluster.leases import Leases
from engine.cluster.relay import Relay
from engine.cluster.topics import Topics
from engine.log import Log

module.BATCH_ROWS = 7  # Many transactions for few rows.


def stop_at(moment: str, number: int) -> None:
    """Let this process meet its fate around one commit."""
    commit, numbers = AIOKafkaProducer.commit_transaction, count(1)

    async def fatal(producer: AIOKafkaProducer) -> None:
        this = next(numbers) == number
        if this and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if this and moment == "pause":
            os.kill(os.getpid(), signal.SIGSTOP)
        await commit(producer)
        if this and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    AIOKafkaProducer.commit_transaction = fatal


async def main(url: str, servers: str, prefix: str, partitions: str, *fate: str) -> None:
    if len(fate) == 2:
        stop_at(fate[0], int(fate[1]))
    clock = SystemClock()
    log = await Log.open(url, now_ms=clock.now_ms, read_only=True)
    topics = Topics(prefix=prefix, partitions=int(partitions))
    relay = Relay(log, servers, topics, clock)
    figures = relay.figures

    async def tell() -> None:
        told = (False, 0)
        while True:
            if told != (now := (figures.connected, figures.fenced)):
                print(f"connected {now[0]} fenced {now[1]}", flush=True)
                told = now
            await asyncio.sleep(0.02)

    duties: Duties = Leases(url, "child", clock) if fate == ("leased",) else Alone("child")
    async with asyncio.TaskGroup() as group:
        group.create_task(tell())
        group.create_task(duties.while_held("relay", relay.run))


asyncio.run(main(*sys.argv[1:]))
