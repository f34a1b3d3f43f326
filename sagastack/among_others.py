"""A controller among others: its place, its topics, and what it does for all of them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from functools import partial

from engine.clock import Clock
from engine.cluster.duties import Alone
from engine.cluster.follower import Follower
from engine.cluster.freshness import Freshness
from engine.cluster.kafka_rows import KafkaRows
from engine.cluster.leases import Leases
from engine.cluster.ownership import Changed, Partitions
from engine.cluster.presence import Presence
from engine.cluster.relay import Relay
from engine.cluster.seal_relay import SealRelay
from engine.cluster.topics import KafkaGone, Topics, TopicsWrong, ensure
from engine.engine import Engine
from engine.fence import Everything
from engine.log import Log, LogUnavailable
from engine.tasks import Tasks
from sagastack.membership import Member
from sagastack.settings import Settings

log_ = logging.getLogger("sagastack.membership")

TOPICS_S, TOPICS_AGAIN_S = 5.0, 2.0


async def join(settings: Settings, stack: AsyncExitStack, clock: Clock, name: str) -> Member:
    """Take a place on a store that several can share: without Kafka, one that is alone there."""
    alone = not settings.kafka
    presence = await Presence.enter(settings.store, name, clock, alone=alone)
    stack.push_async_callback(presence.close)
    if alone:
        return Member(name, Everything(), Alone(name), presence=presence)
    topics = topics_of(settings)
    with suppress(KafkaGone, TimeoutError):  # asked again later; wrong topics end it at once
        async with asyncio.timeout(TOPICS_S):
            await ensure(settings.kafka, topics)
    owner = Partitions(settings.kafka, topics.sagas, topics.saga_partitions, clock)
    leases = Leases(settings.store, name, clock)
    stack.push_async_callback(leases.close)
    return Member(name, owner, leases, presence=presence)


def topics_of(settings: Settings) -> Topics:
    return Topics(prefix=settings.topics)


def follow(
    member: Member, settings: Settings, tasks: Tasks, engine: Engine, log: Log, clock: Clock
) -> None:
    """Hear of what others write, publish when it is our turn, and drive the sagas that are ours."""
    assert isinstance(member.owner, Partitions)
    topics = topics_of(settings)
    member.freshness = Freshness(log, tasks)
    member.relay = Relay(log, settings.kafka, topics, clock)
    member.rows = KafkaRows(settings.kafka, topics.events, clock)
    follower = Follower(log, member.rows, clock, engine.cloud)
    tasks.spawn(follower.run(), name="follower")
    tasks.spawn(member.duties.while_held("relay", member.relay.run), name="relay")
    seals = SealRelay(settings.store, settings.kafka, topics, clock)
    tasks.spawn(member.duties.while_held("seal relay", seals.run), name="seal relay")
    changed = partial(_changed, engine, log)
    tasks.spawn(_drive(member.owner, settings.kafka, topics, clock, changed), name="ownership")


async def _drive(
    owner: Partitions, servers: str, topics: Topics, clock: Clock, changed: Changed
) -> None:
    """Join the group once the topic is there: a group of nothing would have to be joined twice."""
    while True:
        try:
            await ensure(servers, topics)
            break
        except (KafkaGone, TopicsWrong) as trouble:
            log_.warning("no sagas are driven here yet: %s", trouble)
            await clock.sleep(TOPICS_AGAIN_S)
    await owner.run(changed)


async def _changed(engine: Engine, log: Log) -> None:
    """Let go of what is others' now, and take up what is ours where they left it."""
    await engine.runner.release()
    try:
        await log.look()
    except LogUnavailable as error:
        log_.warning("taking up sagas from what is known here: %s", error)
    resumed = engine.runner.resume()
    if resumed:
        log_.info("%d sagas taken up", resumed)
