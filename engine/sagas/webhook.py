"""The end of a webhook: its deliveries go with it, and its secret is shredded."""

from __future__ import annotations

from aggregates.record import RECORDS
from engine import people
from engine.intents.webhook import DeleteWebhook
from engine.saga import Run, Saga
from projections.webhook import webhooks
from projections.webhook_delivery import webhook_deliveries

delete_webhook = Saga(
    "webhook.delete:1", DeleteWebhook, "webhook", lambda ask: ask.id, forward_only=True
)


@delete_webhook.step
def forget(run: Run[DeleteWebhook]) -> list[str]:
    hook = run.row(webhooks, run.intent.id)
    for row in list(run.cloud[webhook_deliveries].by("webhook_id", hook.id)):
        run.change(row, RECORDS["webhook_delivery"].removed())
    run.change(hook, RECORDS["webhook"].removed())
    return [hook.secret_ref] if hook.secret_ref else []


@delete_webhook.step
async def shred(run: Run[DeleteWebhook]) -> None:
    await people.shred(run, run[forget])
