"""Deliveries of webhooks: list them, forget them, send one again or send a test."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.authz import NOUNS, Right, Verdict, judge
from api.caller import Caller, Planned
from api.declare import Idle, Length, Moment, Names, Roles, Success, command, date
from api.errors import InvalidValue
from api.lists import Filter, list_command
from api.views.webhook import WebhookDeliveryView
from engine.intents.webhook import ForgetDeliveries, SendWebhook
from engine.webhooks.post import check_url, reach_of
from projections.webhook import Webhook, webhooks
from projections.webhook_delivery import WebhookDelivery, webhook_deliveries

KIND, HOOK = webhook_deliveries.kind, webhooks.kind
TEST = "TEST.WEBHOOK"
TEST_PAYLOAD = '{"message": "This is a test of a webhook"}'
Server = Annotated[
    UUID | None,
    "that this controller made: it is on record with the webhook, whoever made it",
    Idle("any controller may go on with a webhook, so none is told"),
    Roles("Admin"),
]


@list_command(
    "listWebhookDeliveries",
    view=WebhookDeliveryView,
    table=webhook_deliveries,
    key="webhookdelivery",
    keyword=("event_type", "payload", "response"),
    since="4.20.0",
)
class ListWebhookDeliveries:
    """List what webhooks were told lately, and what became of it."""

    webhook_id: Annotated[UUID | None, "of this webhook", Names(HOOK, right="see")] = None
    event_type: Annotated[str | None, "of events that are called this"] = None
    start_date: Annotated[Moment | None, "those since then", Filter()] = None
    end_date: Annotated[Moment | None, "those until then", Filter()] = None
    management_server_id: Server = None

    def matches(self, row: WebhookDelivery, caller: Caller) -> bool:
        return _between(row, self.start_date, self.end_date)


@command(
    "deleteWebhookDelivery",
    returns=Success,
    allow="ARDU",
    since="4.20.0",
    action="WEBHOOK.DELIVERY.DELETE",
)
class DeleteWebhookDelivery:
    """Take deliveries out of the list: one, or those of a webhook, or of a time."""

    id: Annotated[UUID | None, "this one", Names(KIND, right="operate")] = None
    webhook_id: Annotated[UUID | None, "those of this webhook", Names(HOOK, right="operate")] = None
    start_date: Annotated[Moment | None, "those since then"] = None
    end_date: Annotated[Moment | None, "those until then"] = None
    management_server_id: Server = None

    async def run(self, caller: Caller) -> None:
        if self.id is None and self.webhook_id is None and self.end_date is None:
            raise InvalidValue("id, webhookid or enddate must be given: which ones are meant?")
        table = caller.cloud[webhook_deliveries]
        rows = table if self.webhook_id is None else table.by("webhook_id", self.webhook_id)
        meant = [
            row.id
            for row in rows
            if self.id in (None, row.id)
            and _between(row, self.start_date, self.end_date)
            and judge(caller.identity, Right.OPERATE, NOUNS[KIND], row, caller.cloud) is Verdict.YES
        ]
        await caller.decide(ForgetDeliveries(ids=tuple(meant)))


@command(
    "executeWebhookDelivery",
    returns=WebhookDeliveryView,
    key="webhookdelivery",
    allow="ARDU",
    since="4.20.0",
    action="WEBHOOK.DELIVERY.REDELIVER",
)
class ExecuteWebhookDelivery:
    """Send a delivery again, or a test; what came back is answered and not kept."""

    id: Annotated[UUID | None, "the delivery to repeat", Names(KIND, right="operate")] = None
    webhook_id: Annotated[UUID | None, "the webhook to test", Names(HOOK, right="operate")] = None
    payload_url: Annotated[str | None, "the endpoint, instead of the webhook's", Length(1024)] = (
        None
    )
    secret_key: Annotated[str | None, "what to sign with, instead of the webhook's secret"] = None
    ssl_verification: Annotated[bool | None, "instead of what the webhook says"] = None
    payload: Annotated[str | None, "what to send", Length(65_536)] = None

    async def run(self, caller: Caller) -> WebhookDeliveryView:
        again = None if self.id is None else caller.cloud[webhook_deliveries][self.id]
        hook_id = again.webhook_id if again else self.webhook_id
        hook = caller.cloud[webhooks].get(hook_id)
        url = self.payload_url or (hook.payload_url if hook else "")
        if not url:
            raise InvalidValue("id, webhookid or payloadurl must be given: where shall it go?")
        check_url(url, reach_of(caller.cloud))
        if caller.dry_run:
            raise Planned([f"post to {url}"])
        ask = SendWebhook(
            url=url,
            payload=self.payload or (again.payload if again else TEST_PAYLOAD),
            event_id=again.event_id if again else caller.new_id(),
            event_type=again.event_type if again else TEST,
            account_id=hook.account_id if hook else caller.account_id,
            secret=await self._secret(caller, hook, url),
            ssl_verification=self._verified(hook),
        )
        sent = await caller.engine.send_webhook(ask)
        return WebhookDeliveryView(
            id=caller.new_id(),
            event_id=ask.event_id,
            event_type=ask.event_type,
            webhook_id=hook.id if hook else None,
            webhook_name=hook.name if hook else None,
            headers=sent.headers,
            payload=ask.payload,
            success=sent.success,
            response=sent.response,
            start_date=date(sent.started_at_ms),
            end_date=date(sent.ended_at_ms),
        )

    async def _secret(self, caller: Caller, hook: Webhook | None, url: str) -> str:
        """A webhook's secret signs for its own endpoint alone: elsewhere it would prove a lie."""
        if self.secret_key is not None or hook is None or url != hook.payload_url:
            return self.secret_key or ""
        return await caller.secret(hook.secret_ref) if hook.secret_ref else ""

    def _verified(self, hook: Webhook | None) -> bool:
        if self.ssl_verification is not None:
            return self.ssl_verification
        return hook is None or hook.ssl_verification


def _between(row: WebhookDelivery, first_ms: int | None, last_ms: int | None) -> bool:
    begun_ms = row.started_at_ms
    return (first_ms or 0) <= begun_ms and (last_ms is None or begun_ms <= last_ms)
