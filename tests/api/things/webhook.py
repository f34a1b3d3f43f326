"""A webhook of ann's that was told something once; nothing delivers while these tests ask."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from engine.intents import SYSTEM
from engine.intents.webhook import Delivered, RecordDeliveries, Sent

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    hook = await here.make(
        "ann", "createWebhook", name="told", payloadurl="http://hooks.example:9/ann",
        secretkey="ann's own", state="disabled",
    )  # fmt: skip
    sent = Sent(success=True, response="ok", headers="X: 1", started_at_ms=1, ended_at_ms=2)
    position = here.position + 1
    delivered = Delivered(
        id=uuid4(), position=position, event_id=uuid4(), event_type="VM.CREATE", payload="{}",
        sent=sent,
    )  # fmt: skip
    ask = RecordDeliveries(
        webhook_id=UUID(hook["webhook"]["id"]), position=position, deliveries=(delivered,), kept=9
    )
    await here.controller.engine.decide(ask, SYSTEM)
