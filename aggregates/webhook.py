"""A webhook: where an account wants to be told of events. Its secret is in the sealed store."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate, Event, event
from aggregates.record import record

LOCAL, DOMAIN, GLOBAL = SCOPES = ("Local", "Domain", "Global")
STATES = ("Enabled", "Disabled")


@record(
    "webhook",
    unique=(("account_id", "name"),),
    references={"account_id": "account", "domain_id": "domain"},
)
class Webhook(Aggregate):
    """`scope` is whose events are told: the account's, its domain's with all below, or everybody's.

    `position` is that of the last event that was dealt with, so that whoever delivers next goes on
    behind it.
    """

    name: str
    account_id: UUID
    domain_id: UUID
    payload_url: str
    description: str = ""
    state: str = "Enabled"
    scope: str = LOCAL
    secret_ref: str = ""
    ssl_verification: bool = True
    position: int = 0


@event("webhook.progressed")
class WebhookProgressed(Event, frozen=True, kw_only=True):
    """Every event up to a position was delivered, or given up."""

    position: int
