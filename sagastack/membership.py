"""What a controller needs to be one of several: its part of the work, and word of the others.

`Member` has the same face for a controller that is alone: it owns every saga and holds every duty,
and nobody else's writes have to be waited for. One on a store of its own imports no client of
Kafka or of databases: what needs them lies in `among_others`.
"""

from __future__ import annotations

import os
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING
from zlib import crc32

from api.dispatch import CaughtUp, at_once
from engine.clock import Clock
from engine.cluster.duties import Alone, Duties
from engine.cluster.store import is_shared
from engine.engine import Engine
from engine.fence import Everything, Owner
from engine.log import Log
from engine.rehearsal import is_rehearsal
from engine.tasks import Tasks
from projections.address_range import LANES
from sagastack.monitor.cluster import relay as relay_figures
from sagastack.monitor.cluster import waiting
from sagastack.settings import BadSetting, Settings
from sagastack.watching import Watching

if TYPE_CHECKING:
    from engine.cluster.freshness import Freshness
    from engine.cluster.kafka_rows import KafkaRows
    from engine.cluster.presence import Presence
    from engine.cluster.relay import Relay


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
    from sagastack.among_others import join

    return await join(settings, stack, clock, name)


def take_part(
    member: Member, settings: Settings, tasks: Tasks, engine: Engine, log: Log, clock: Clock
) -> None:
    """Follow the others, publish when it is our turn, and drive the sagas that are ours."""
    if member.presence is not None:
        tasks.spawn(member.presence.stay(), name="presence")
    if not member.owner.alone:
        from sagastack.among_others import follow

        follow(member, settings, tasks, engine, log, clock)


def watched(member: Member, watching: Watching) -> None:
    """Let figures tell of this controller's part."""
    if member.relay is not None:
        figures = member.relay.figures
        watching.add(relay_figures(figures))
        watching.monitor.depends("kafka", lambda: figures.last_error if figures.running else "")
    if member.freshness is not None and member.rows is not None:
        rows, freshness = member.rows, member.freshness
        watching.add(waiting(lambda: freshness.waiting, lambda: rows.lag))
