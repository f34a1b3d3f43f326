"""Whether this controller should be asked anything, for load balancers and Kubernetes.

`/healthz` says that the process lives. `/readyz` says that it can answer: the log is folded, and
nearly up to its end. Without its database a controller is degraded and stays ready, since reads go
on: were it taken away, an outage of the database would be one of everything. Where the log takes
nothing more until a restart, both say so: what is read here is the past, and stays it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from engine.log import Log, LogUnavailable
from projections.cloud import Cloud

ASK_S = 1.0
# Further behind than this, what it answers is old news.
LAG_EVENTS_MAX = 5_000


class Readiness:
    """`closing` is asked each time; `parts` tell more of what is degraded, each '' when it is well.

    A part that is not well never makes the controller unready.
    """

    def __init__(
        self,
        cloud: Cloud,
        log: Log,
        closing: Callable[[], bool],
        parts: Mapping[str, Callable[[], str]] | None = None,
    ) -> None:
        self._cloud, self._log, self._closing = cloud, log, closing
        self._parts = parts if parts is not None else {}

    async def told(self) -> tuple[int, dict[str, Any]]:
        """The HTTP status, and what is behind it."""
        if self._closing():
            return 503, {"status": "closing", "position": self._cloud.position}
        if fault := self._log.fault:
            wrong = {"log": fault}
            return 503, {"status": "failed", "position": self._cloud.position, "wrong": wrong}
        wrong = {name: said for name, ask in self._parts.items() if (said := ask())}
        end = await self._end(wrong)
        lag = max(0, end - self._cloud.position)
        body: dict[str, Any] = {"position": self._cloud.position, "lag_events": lag}
        if lag > LAG_EVENTS_MAX:
            return 503, {"status": "behind", **body}
        if wrong:
            return 200, {"status": "degraded", **body, "wrong": wrong}
        return 200, {"status": "ready", **body}

    async def _end(self, wrong: dict[str, str]) -> int:
        """Where the log ends; 0 if the database does not say so in time."""
        try:
            async with asyncio.timeout(ASK_S):
                return await self._log.position()
        except LogUnavailable as gone:
            wrong["database"] = str(gone)
        except TimeoutError:
            wrong["database"] = f"no answer within {ASK_S:g} s: see that it runs"
        return 0

    async def serve(self, request: web.Request) -> web.Response:
        """`/readyz`."""
        status, body = await self.told()
        return web.json_response(body, status=status, headers={"Cache-Control": "no-store"})
