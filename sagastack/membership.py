"""What a controller needs to be one of several: its part of the work, and word of the others.

`Member` has the same face for a controller that is alone: it owns every saga and holds every duty,
and nobody else's writes have to be waited for.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from secrets import token_hex
from zlib import crc32

from api.dispatch import CaughtUp, at_once
from engine.clock import Clock
from engine.cluster.database import is_shared
from engine.cluster.follower import Follower
from engine.cluster.freshness import Freshness
from engine.cluster.kafka_rows import KafkaRows
from engine.cluster.leases import Alone, Duties, Leases
from engine.cluster.ownership import Changed, Partitions
from engine.cluster.presence import Presence
from engine.cluster.relay import Relay
from engine.cluster.seal_relay import SealRelay
from engine.cluster.topics import KafkaGone, Topics, TopicsWrong, ensure
from engine.engine import Engine
from engine.fence import Everything, Owner
from engine.log import Log, LogUnavailable
from engine.rehearsal import is_rehearsal
from engine.tasks import Tasks
from projections.address_range import LANES
from sagastack.monitor.cluster import relay as relay_figures
from sagastack.monitor.cluster import waiting
from sagastack.settings import BadSetting, Settings
from sagastack.watching import Watching

log_ = logging.getLogger("sagastack.membership")

TOPICS_S, TOPICS_AGAIN_S = 5.0, 2.0


@dataclass(slots=True)
class Member:
    """This controller among all. `freshness` and `relay` are None for one that is alone."""

    name: str
    owner: Owner
    duties: Duties
    freshness: Freshness | None = None
    relay: Relay | None = None
    rows: KafkaRows | None = None
    presence: Presence | None = None

    @property
    def lane(self) -> int:
        """Where this one looks for free numbers first, unlike most others."""
        return 0 if self.owner.alone else crc32(self.name.encode()) % LANES

    def is_certain(self) -> bool:
        """Whether this controller knew all that anybody was told when it last asked."""
        return self.freshness is None or self.freshness.is_certain

    @property
    def caught_up(self) -> CaughtUp:
        """Waits until this controller has folded all that anybody was told."""
        return at_once if self.freshness is None else self.freshness.wait


def own_name(port: int) -> str:
    """What people see; no other life of any controller has the same."""
    return f"{socket.gethostname()}:{port or '*'}/{os.getpid()}-{token_hex(3)}"


async def enter(settings: Settings, stack: AsyncExitStack, clock: Clock) -> Member:
    """Come in before anything is read: one without Kafka must be alone on its database."""
    if settings.kafka and is_rehearsal(settings.home):
        raise BadSetting("what happens in a fork is nobody's business: start it without Kafka")
    name = own_name(settings.port)
    if not is_shared(settings.store_url):
        if settings.kafka:
            raise BadSetting("--kafka is for several controllers: name their --store postgres://")
        return Member(name, Everything(), Alone(name))
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


def take_part(
    member: Member, settings: Settings, tasks: Tasks, engine: Engine, log: Log, clock: Clock
) -> None:
    """Follow the others, publish when it is our turn, and drive the sagas that are ours."""
    if member.presence is not None:
        tasks.spawn(member.presence.stay(), name="presence")
    if not isinstance(member.owner, Partitions):
        return
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


def watched(member: Member, watching: Watching) -> None:
    """Let figures tell of this controller's part."""
    if member.relay is not None:
        figures = member.relay.figures
        watching.add(relay_figures(figures))
        watching.monitor.depends("kafka", lambda: figures.last_error if figures.running else "")
    if member.freshness is not None and member.rows is not None:
        rows, freshness = member.rows, member.freshness
        watching.add(waiting(lambda: freshness.waiting, lambda: rows.lag))


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
