"""Lets a controller be watched as its settings say: figures, readiness, traces, and traps.

watching = await Watching.enter(settings, stack, clock)     # before there are tasks
watching.begin(log, engine, world, tasks)                   # before runs are resumed
make_app(gateway, ..., metrics=watching.metrics)
watching.add_to(app, face, gateway)                         # before the application runs
watching.send_traps(tasks, duties, log, feed)               # where leases are known
"""

from __future__ import annotations

import os
import socket
from contextlib import AsyncExitStack
from functools import partial

from aiohttp import web

from api.dispatch import Gateway
from engine.clock import Clock
from engine.cluster.duties import Duties
from engine.cluster.store import is_shared
from engine.engine import Engine
from engine.feed import Feed
from engine.log import Log
from engine.rehearsal import is_rehearsal
from engine.tasks import Tasks
from engine.world import World
from sagastack.face import Face
from sagastack.monitor.cluster import Source, leases
from sagastack.monitor.cursor import Cursor, FileCursor, TableCursor
from sagastack.monitor.monitor import Monitor
from sagastack.monitor.tracing import Traces, tracing
from sagastack.settings import Settings


class Watching:
    """What watches one controller, wired in the order above."""

    def __init__(
        self, settings: Settings, stack: AsyncExitStack, clock: Clock, traces: Traces
    ) -> None:
        self._settings, self._stack, self._clock, self._traces = settings, stack, clock, traces
        self._monitor: Monitor | None = None

    @classmethod
    async def enter(cls, settings: Settings, stack: AsyncExitStack, clock: Clock) -> Watching:
        """Traces end last, so that what ends with the controller is in them too."""
        instance = f"{socket.gethostname()}:{os.getpid()}"
        traces = await stack.enter_async_context(tracing(settings.otlp, clock, instance))
        return cls(settings, stack, clock, traces)

    def begin(self, log: Log, engine: Engine, world: World, tasks: Tasks) -> None:
        """Follow the engine, which has been made and has not resumed anything."""
        self._monitor = Monitor(engine.cloud, log, self._clock)
        self._traces.follow(engine, world)
        tasks.spawn(self._monitor.watch(), name="loop watch")

    @property
    def monitor(self) -> Monitor:
        """Where parts of a cluster add what they have to tell."""
        assert self._monitor is not None, "nothing is watched before `begin`"
        return self._monitor

    def metrics(self) -> str:
        return self.monitor.metrics()

    def add(self, source: Source) -> None:
        self.monitor.add(source)

    def add_to(self, app: web.Application, face: Face, gateway: Gateway) -> None:
        self.monitor.add_to(app, lambda: gateway.closing)
        gateway.fault = self.monitor.fault
        self._traces.add_to(app, face)

    def send_traps(self, tasks: Tasks, duties: Duties, log: Log, feed: Feed) -> None:
        """Send traps while this controller has the lease for it; leases are figures too."""
        self.monitor.add(leases(duties))
        if not self._settings.snmp or is_rehearsal(self._settings.home):
            return
        from sagastack.monitor.snmp import EXAMPLE_OID, checked_oid, receivers
        from sagastack.monitor.traps import Traps

        to, oid = receivers(self._settings.snmp), self._settings.snmp_oid or EXAMPLE_OID
        how = (to, feed.follow, log, self._clock, self._cursor())
        traps = Traps(*how, oid=checked_oid(oid))
        self.monitor.add(traps.families)
        tasks.keep(partial(duties.while_held, "traps", traps.run), name="traps", clock=self._clock)

    def _cursor(self) -> Cursor:
        url = self._settings.store_url
        if not is_shared(url):
            return FileCursor(self._settings.home / "traps")
        from engine.cluster.database import Database

        database = Database(url)
        self._stack.push_async_callback(database.close)
        return TableCursor(database, "traps")
