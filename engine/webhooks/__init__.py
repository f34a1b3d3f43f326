"""Tells others of what happens: see `deliver.Webhooks` for what it promises."""

from __future__ import annotations

from functools import partial

from engine.clock import Clock
from engine.cluster.duties import Duties
from engine.engine import Engine
from engine.feed import Feed
from engine.tasks import Tasks
from engine.vault import Vault
from engine.webhooks.deliver import Webhooks
from engine.webhooks.post import reach_of, send

__all__ = ["Webhooks", "deliver_webhooks", "reach_of", "send"]


def deliver_webhooks(
    tasks: Tasks, duties: Duties, engine: Engine, vault: Vault, feed: Feed, clock: Clock
) -> None:
    """Deliver whenever this controller has the lease for it; alone, it always has."""

    async def deliver(token: int) -> None:
        await Webhooks(engine, vault, feed, clock).run()

    tasks.keep(partial(duties.while_held, "webhooks", deliver), name="webhooks", clock=clock)
