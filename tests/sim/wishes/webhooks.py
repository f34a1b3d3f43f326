"""Who wants to be told of what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.genesis import ADMIN_ACCOUNT, ROOT_DOMAIN
from engine.intents.record import CreateRecord, UpdateRecord
from engine.intents.webhook import DeleteWebhook, ForgetDeliveries
from projections.webhook import LOCAL, webhooks
from projections.webhook_delivery import webhook_deliveries
from tests.sim.endpoints import url_of
from tests.sim.wishes import wish

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

WEBHOOKS_MAX = 6


@wish(2)
def create_webhook(who: Tenants) -> object | None:
    """The administrator's may be told of everything."""
    if len(who.cloud[webhooks]) >= WEBHOOKS_MAX:
        return None
    admin = {"account_id": ADMIN_ACCOUNT, "domain_id": ROOT_DOMAIN}
    hook_id, is_global = who.new_id(), who.rarely(0.4)
    fields = {
        "name": who.name("hook"), "payload_url": url_of(hook_id),
        "scope": "Global" if is_global else LOCAL, "position": who.cloud.position,
        **(admin if is_global else who.owner()),
    }  # fmt: skip
    return CreateRecord(kind="webhook", id=hook_id, fields=fields)


@wish(1)
def update_webhook(who: Tenants) -> object | None:
    hook = who.one(webhooks)
    fields = {"state": who.pick("Enabled", "Enabled", "Disabled")}
    return hook and UpdateRecord(kind="webhook", id=hook.id, fields=fields)


@wish(1)
def delete_webhook(who: Tenants) -> object | None:
    hook = who.one(webhooks)
    return hook and DeleteWebhook(id=hook.id)


@wish(1)
def forget_deliveries(who: Tenants) -> object | None:
    told = who.one(webhook_deliveries)
    return told and ForgetDeliveries(ids=(told.id,))
