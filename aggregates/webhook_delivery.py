"""What a webhook was told, and what it answered: the latest of it, for whoever owns the webhook."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("webhook_delivery", references={"webhook_id": "webhook"})
class WebhookDelivery(Aggregate):
    """`headers` are those that were sent, without the signature; `response` is cut short."""

    webhook_id: UUID
    account_id: UUID
    domain_id: UUID
    event_id: UUID
    event_type: str
    payload: str
    headers: str
    success: bool
    response: str
    attempts: int
    started_at_ms: int
    ended_at_ms: int
