"""Delivers events to webhooks: in order for each, again when it fails, and in nobody's way.

Each webhook has a task of its own, which reads the list of events behind the position that is on
record for it. So a slow or dead endpoint lags alone, no writer ever waits, and whoever delivers
next (after a crash, or on another controller) goes on behind the last delivery on record. A crash
between a delivery and its record repeats it: receivers know it by its event's id.

What lies further back than the list of events is not delivered any more, and what was not
delivered within the allowed tries is given up and on record as failed.
"""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID, uuid5

from aggregates.base import Recorded
from aggregates.errors import NotFound
from engine.clock import Clock
from engine.engine import Engine
from engine.failure import Caught, failure_of
from engine.feed import Feed
from engine.intents import By
from engine.intents.webhook import Delivered, RecordDeliveries, SendWebhook, Sent
from engine.vault import Vault, VaultError, VaultUnavailable
from engine.webhooks.payload import payload, wants
from engine.webhooks.post import reach_of, send
from projections.event_list import Entry, EventList
from projections.setting import number_of
from projections.webhook import LOCAL, Webhook, webhooks

log_ = logging.getLogger("sagastack.webhooks")

TIMEOUT, TRIES, LIMIT = (
    "webhook.delivery.timeout",
    "webhook.delivery.tries",
    "webhook.deliveries.limit",
)
BATCH = 20
CHANGES = frozenset({"webhook.created", "webhook.updated", "webhook.removed"})
# Beside what carries an action, these make entries in the list of events.
LISTED = frozenset({"saga.started", "saga.succeeded", "saga.failed", "saga.parked"})
PAUSE_S, PAUSE_MAX_S, RECORD_AGAIN_S = 1.0, 30.0, 1.0
BY = By(command="webhooks")


class Webhooks:
    """`run` delivers until it is cancelled; one at a time in a cloud is enough, two do no harm."""

    def __init__(self, engine: Engine, vault: Vault, feed: Feed, clock: Clock) -> None:
        self._engine, self._vault, self._feed, self._clock = engine, vault, feed, clock
        self._workers: dict[UUID, asyncio.Event] = {}

    async def run(self) -> None:
        """Keep a task for each webhook that is enabled, and wake them when something happened.

        A rehearsal has the webhooks of the real cloud, and tells them nothing.
        """
        if self._engine.is_rehearsal:
            return
        async with asyncio.TaskGroup() as group:
            self._staff(group)
            async for batch in self._feed.batches(self._engine.cloud.position):
                for happened in batch:
                    topic = happened.event.TOPIC
                    if topic in CHANGES:
                        self._staff(group)
                        self._changed(happened.stream)
                    if happened.action or topic in LISTED:  # most events are for nobody
                        self._wake(happened)

    def _changed(self, hook_id: UUID) -> None:
        """Wake the one that was changed."""
        if (news := self._workers.get(hook_id)) is not None:
            news.set()

    def _wake(self, happened: Recorded) -> None:
        """Wake those whom an event may be for."""
        table = self._engine.cloud[webhooks]
        for hook_id, news in self._workers.items():
            hook = table.get(hook_id)
            if hook is None or hook.scope != LOCAL or hook.account_id == happened.account:
                news.set()

    def _staff(self, group: asyncio.TaskGroup) -> None:
        for hook in self._engine.cloud[webhooks]:
            if hook.state == "Enabled" and hook.id not in self._workers:
                news = self._workers[hook.id] = asyncio.Event()
                group.create_task(self._serve(hook.id, news), name=f"webhook {hook.id}")

    async def _serve(self, hook_id: UUID, news: asyncio.Event) -> None:
        """One webhook's life. What goes wrong with one is no other's concern."""
        try:
            while self._enabled(hook_id) is not None:
                with Caught() as caught:
                    await self._follow(hook_id, news)
                if caught.error is not None:
                    log_.error("webhook %s stands still", hook_id, exc_info=caught.error)
                    await self._clock.sleep(PAUSE_MAX_S)
        finally:
            self._workers.pop(hook_id, None)

    async def _follow(self, hook_id: UUID, news: asyncio.Event) -> None:
        """Deliver what is behind its position, then what comes, for as long as it is enabled."""
        read_up_to = 0
        while (hook := self._enabled(hook_id)) is not None:
            news.clear()
            behind = max(read_up_to, hook.position)
            entries = self._engine.cloud.view(EventList).since(behind)
            wanted = [one for one in entries if wants(self._engine.cloud, hook, one)]
            if wanted:
                read_up_to = await self._batch(hook_id, wanted[:BATCH])
                continue
            read_up_to = entries[-1].position if entries else behind
            await news.wait()

    def _enabled(self, hook_id: UUID) -> Webhook | None:
        hook = self._engine.cloud[webhooks].get(hook_id)
        return hook if hook is not None and hook.state == "Enabled" else None

    async def _batch(self, hook_id: UUID, wanted: list[Entry]) -> int:
        """Deliver some, then put them on record together; gives how far that went."""
        done: list[Delivered] = []
        for entry in wanted:
            hook = self._enabled(hook_id)
            if hook is None or not wants(self._engine.cloud, hook, entry):
                break
            delivered = await self._deliver(hook_id, entry)
            if delivered is None:
                break
            done.append(delivered)
            if not delivered.sent.success:
                break  # it took long enough: put on record what there is
        up_to = done[-1].position if done else wanted[0].position - 1
        if done:
            await self._record(hook_id, up_to, tuple(done))
        return up_to

    async def _deliver(self, hook_id: UUID, entry: Entry) -> Delivered | None:
        """Try until it is taken or the tries are used up; None if the webhook is no more."""
        body, attempt, sent = payload(self._engine.cloud, entry), 0, None
        while sent is None or (not sent.success and attempt < self._number(TRIES)):
            if sent is not None:
                await self._clock.sleep(min(PAUSE_S * 2 ** (attempt - 1), PAUSE_MAX_S))
            hook = self._enabled(hook_id)
            if hook is None:
                return None
            sent, attempt = await self._send(hook, entry, body), attempt + 1
        return Delivered(
            id=uuid5(hook_id, str(entry.position)),
            position=entry.position,
            event_id=entry.id,
            event_type=entry.action,
            payload=body,
            sent=Sent(
                success=sent.success,
                response=sent.response,
                headers=sent.headers,
                started_at_ms=sent.started_at_ms,
                ended_at_ms=sent.ended_at_ms,
                attempts=attempt,
            ),
        )

    async def _send(self, hook: Webhook, entry: Entry, body: str) -> Sent:
        try:
            secret = await self._vault.get(UUID(hook.secret_ref)) if hook.secret_ref else ""
        except VaultUnavailable:
            raise  # it stands still, as without a log: no try is used up
        except (KeyError, VaultError) as gone:
            now_ms = self._clock.now_ms()
            text = f"not sent: the webhook's secret cannot be opened ({gone}): set it anew"
            return Sent(
                success=False, response=text, headers="", started_at_ms=now_ms, ended_at_ms=now_ms
            )
        ask = SendWebhook(
            url=hook.payload_url,
            payload=body,
            event_id=entry.id,
            event_type=entry.action,
            account_id=hook.account_id,
            secret=secret,
            ssl_verification=hook.ssl_verification,
        )
        reach = reach_of(self._engine.cloud)
        return await send(ask, reach, self._clock, timeout_s=self._number(TIMEOUT))

    async def _record(self, hook_id: UUID, up_to: int, done: tuple[Delivered, ...]) -> None:
        """Put on record; while the log takes nothing, nothing more is delivered either."""
        while True:
            ask = RecordDeliveries(
                webhook_id=hook_id, position=up_to, deliveries=done, kept=int(self._number(LIMIT))
            )
            with Caught() as caught:
                await self._engine.decide(ask, BY)
            if caught.error is None or isinstance(caught.error, NotFound):
                return
            _, text = failure_of(caught.error)
            log_.warning("deliveries of webhook %s are not on record yet: %s", hook_id, text)
            await self._clock.sleep(RECORD_AGAIN_S)

    def _number(self, setting: str) -> float:
        return number_of(self._engine.cloud, setting)
