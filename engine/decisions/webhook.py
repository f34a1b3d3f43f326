"""What becomes of a webhook's deliveries once they are over, and what a webhook may be."""

from __future__ import annotations

from uuid import UUID

from aggregates.errors import Invalid
from aggregates.record import RECORDS
from aggregates.webhook import DOMAIN, GLOBAL, WebhookProgressed
from engine.decide import Desk, decision
from engine.decisions.record import Proposed, rule
from engine.intents.webhook import Delivered, ForgetDeliveries, RecordDeliveries
from projections.account import accounts
from projections.webhook import Webhook, webhooks
from projections.webhook_delivery import WebhookDelivery, webhook_deliveries

DELIVERY = RECORDS["webhook_delivery"]
# Whose owners may be told of more than what is their own.
WIDER = {DOMAIN: ("Admin", "DomainAdmin", "ResourceAdmin"), GLOBAL: ("Admin",)}


@rule("webhook")
def told_what_its_owner_may_see(one: Proposed, desk: Desk) -> None:
    owner, scope = desk.row(accounts, one["account_id"]), one["scope"]
    if scope in WIDER and owner.role_type not in WIDER[scope]:
        raise Invalid(
            f"a webhook of account {owner.name} is told of its own events alone: its role "
            f"{owner.role_type} may not have scope {scope}; say scope=Local",
            field="scope",
        )


@decision
def record_deliveries(ask: RecordDeliveries, desk: Desk) -> None:
    hook = desk.row(webhooks, ask.webhook_id)
    if ask.position <= hook.position:
        return
    fresh = [one for one in ask.deliveries if one.position > hook.position]
    for one in fresh[-ask.kept :] if ask.kept else ():
        desk.create(one.id, DELIVERY.create(_fields(hook, one)))
    held = list(desk.cloud[webhook_deliveries].by("webhook_id", hook.id))
    for row in _beyond(held, max(ask.kept - len(fresh), 0)):
        desk.change(row, DELIVERY.removed())
    desk.change(hook, WebhookProgressed(position=ask.position))


@decision
def forget(ask: ForgetDeliveries, desk: Desk) -> None:
    for row_id in ask.ids:
        row = desk.cloud[webhook_deliveries].get(row_id)
        if row is not None:
            desk.change(row, DELIVERY.removed())


def _beyond(held: list[WebhookDelivery], kept: int) -> list[WebhookDelivery]:
    """All but the latest."""
    held.sort(key=lambda row: row.started_at_ms)
    return held[: max(len(held) - kept, 0)]


def _fields(hook: Webhook, one: Delivered) -> dict[str, object]:
    sent, owner = one.sent, {"account_id": hook.account_id, "domain_id": hook.domain_id}
    event: dict[str, UUID | str] = {"event_id": one.event_id, "event_type": one.event_type}
    return owner | event | {
        "webhook_id": hook.id,
        "payload": one.payload,
        "headers": sent.headers,
        "success": sent.success,
        "response": sent.response,
        "attempts": sent.attempts,
        "started_at_ms": sent.started_at_ms,
        "ended_at_ms": sent.ended_at_ms,
    }  # fmt: skip
