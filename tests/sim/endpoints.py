"""Those whom webhooks tell: slow, away now and then, and with a good memory."""

from __future__ import annotations

import json
from collections import defaultdict
from uuid import UUID

from aggregates.base import Recorded
from engine.clock import Clock
from engine.intents.webhook import SendWebhook, Sent
from engine.outside import Reach
from engine.webhooks.payload import wants
from projections.cloud import Cloud
from projections.event_list import EventList
from projections.webhook import webhooks
from tests.sim.seeds import Chance

FAILS = (0.0, 0.05, 0.4)
TAKES_S = 2.0


def url_of(hook_id: UUID) -> str:
    return f"http://198.51.100.9/{hook_id}"


class Endpoints:
    """`heard` holds for each webhook the positions of the events that it was sent, in order."""

    def __init__(self, seed: int) -> None:
        self._rng = Chance(seed, "endpoints").rng
        self._usual = self._fails = self._rng.choice(FAILS)
        self.heard: dict[str, list[int]] = defaultdict(list)
        self._out_of_use: set[UUID] = set()
        self._began: dict[UUID, int] = {}

    def suffer(self) -> None:
        self._fails = self._usual

    def heal(self) -> None:
        self._fails = 0.0

    async def send(self, ask: SendWebhook, reach: Reach, clock: Clock, *, timeout_s: float) -> Sent:
        """In place of `engine.webhooks.post.send`."""
        started_ms, success = clock.now_ms(), self._rng.random() >= self._fails
        self.heard[ask.url].append(json.loads(ask.payload)["position"])
        await clock.sleep(self._rng.uniform(0, TAKES_S))
        return Sent(
            success=success, response="" if success else "away", headers="",
            started_at_ms=started_ms, ended_at_ms=clock.now_ms(),
        )  # fmt: skip

    def noted(self, recorded: Recorded) -> None:
        """Remember when webhooks began, and which were out of use: those may miss something."""
        if recorded.event.KIND == "webhook" and recorded.event.CREATES is not None:
            self._began[recorded.stream] = recorded.event.position  # type: ignore[attr-defined]
        changed = getattr(recorded.event, "changed", {})
        if recorded.event.KIND in ("webhook", "account") and {"state", "role_type"} & set(changed):
            self._out_of_use.add(recorded.stream)

    def were_told(self, cloud: Cloud) -> None:
        """In the order of the log, and all that they were to be told."""
        for url, positions in self.heard.items():
            first = list(dict.fromkeys(positions))
            assert first == sorted(first), f"{url} was told of events out of order: {first}"
        for hook in cloud[webhooks]:
            if {hook.id, hook.account_id} & self._out_of_use:
                continue
            since = cloud.view(EventList).since(self._began[hook.id])
            wanted = [one.position for one in since if wants(cloud, hook, one)]
            missed = set(wanted) - set(self.heard[hook.payload_url])
            assert not missed, f"webhook {hook.name} was not told of the events at {missed}"
