"""Everything that a controller is watched by, in one place for whoever wires it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aiohttp import web

from engine.clock import Clock
from engine.log import Log
from projections.cloud import Cloud
from sagastack.monitor import folds
from sagastack.monitor.cluster import Source
from sagastack.monitor.exposition import Family, gauge, render
from sagastack.monitor.figures import Figures
from sagastack.monitor.health import Readiness
from sagastack.monitor.loop import LoopWatch


class Monitor:
    """Make it after the engine; `watch` runs beside it, and `add_to` brings `/readyz`.

    Parts of a cluster add what they have to tell with `add`, before or after the door opens.
    """

    def __init__(self, cloud: Cloud, log: Log, clock: Clock) -> None:
        self._cloud, self._log = cloud, log
        self._started_s = clock.now_ms() / 1000
        self._figures = Figures(log, cloud)
        self._loop = LoopWatch(clock)
        self._sources: list[Source] = []
        self._parts: dict[str, Callable[[], str]] = {}

    def add(self, source: Source) -> None:
        """Tell these families too."""
        self._sources.append(source)

    def depends(self, name: str, ask: Callable[[], str]) -> None:
        """While `ask` says something, `/readyz` says degraded and why."""
        self._parts[name] = ask

    async def watch(self) -> None:
        """Watch the event loop until cancelled."""
        await self._loop.run()

    def fault(self) -> str:
        """Why only a restart helps; empty while all may be well."""
        return self._log.fault

    def metrics(self) -> str:
        """What `/metrics` answers."""
        return render(self._families())

    def add_to(self, app: web.Application, closing: Callable[[], bool]) -> None:
        ready = Readiness(self._cloud, self._log, closing, self._parts)
        app.router.add_get("/readyz", ready.serve)

    def _families(self) -> Iterator[Family]:
        about = "When this controller began, since 1970."
        yield gauge("start_time_seconds", about, self._started_s)
        yield from folds.families(self._cloud)
        yield from self._figures.families()
        yield from self._loop.families()
        for source in self._sources:
            yield from source()
