"""Webhooks and their deliveries as the wire shows them: never with a secret."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, Date, View, date, view
from api.views.owner import OwnedView, owner
from projections.webhook import Webhook, webhooks
from projections.webhook_delivery import WebhookDelivery

noun("webhook", "owned")
noun("webhook_delivery", "owned")


@view
class WebhookView(OwnedView, kw_only=True):
    """Where an account is told of events."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    description: Annotated[str | None, "what it is for"] = None
    state: Annotated[str, "Enabled or Disabled"]
    payload_url: Annotated[str, "where events are posted to"]
    ssl_verification: Annotated[bool, "whether the endpoint must show a certificate that is valid"]
    scope: Annotated[str, "Local, Domain or Global: whose events it is told of"]
    created: Annotated[Date, "when it was made"]

    @classmethod
    def of(cls, row: Webhook, cloud: Cloud) -> WebhookView:
        return cls(
            id=row.id,
            name=row.name,
            description=row.description or None,
            state=row.state,
            payload_url=row.payload_url,
            ssl_verification=row.ssl_verification,
            scope=row.scope,
            created=date(row.created_at_ms),
            **owner(row, cloud),
        )


@view
class WebhookDeliveryView(View, kw_only=True):
    """One event as it was posted to an endpoint, and what came back."""

    id: Annotated[UUID, "its id"]
    event_id: Annotated[UUID, "the event, as listEvents calls it"]
    event_type: Annotated[str, "what the event is called, for example VM.CREATE"]
    webhook_id: Annotated[UUID | None, "the webhook"] = None
    webhook_name: Annotated[str | None, "the name of the webhook"] = None
    headers: Annotated[str, "the headers that were sent, but for the signature"]
    payload: Annotated[str, "the body that was sent"]
    success: Annotated[bool, "whether the endpoint took it"]
    response: Annotated[str, "what the endpoint answered, or why there was no answer"]
    start_date: Annotated[Date, "when the last try began"]
    end_date: Annotated[Date, "when it was over"]

    @classmethod
    def of(cls, row: WebhookDelivery, cloud: Cloud) -> WebhookDeliveryView:
        hook = cloud[webhooks].get(row.webhook_id)
        return cls(
            id=row.id,
            event_id=row.event_id,
            event_type=row.event_type,
            webhook_id=row.webhook_id,
            webhook_name=hook.name if hook else None,
            headers=row.headers,
            payload=row.payload,
            success=row.success,
            response=row.response,
            start_date=date(row.started_at_ms),
            end_date=date(row.ended_at_ms),
        )
