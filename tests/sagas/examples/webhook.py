"""Examples of the sagas of webhooks."""

from __future__ import annotations

from engine.intents.record import CreateRecord
from engine.intents.webhook import DeleteWebhook, Delivered, RecordDeliveries, Sent
from tests.sagas.rig import Rig
from tests.sagas.seed import ACCOUNT, DOMAIN, named


async def _delete(rig: Rig) -> object:
    hook_id, secret_ref = named("webhook"), str(await rig.vault.put("a webhook's secret"))
    fields = {"name": "told", "account_id": ACCOUNT, "domain_id": DOMAIN, "secret_ref": secret_ref}
    fields |= {"payload_url": "http://192.0.2.1/"}
    await rig.engine.decide(CreateRecord(kind="webhook", id=hook_id, fields=fields), rig.by)
    sent = Sent(success=True, response="ok", headers="", started_at_ms=1, ended_at_ms=2)
    delivered = Delivered(
        id=named("delivery"),
        position=1,
        event_id=named("event"),
        event_type="VM.CREATE",
        payload="{}",
        sent=sent,
    )
    await rig.engine.decide(
        RecordDeliveries(webhook_id=hook_id, position=1, deliveries=(delivered,), kept=9), rig.by
    )
    return DeleteWebhook(id=hook_id)


EXAMPLES = {"webhook.delete:1": _delete}
