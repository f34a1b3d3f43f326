"""How a host is looked at: what it says within a time, and nothing that goes wrong goes further."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from drivers.contract.compute import GuestStatus
from drivers.contract.errors import Unavailable
from engine.failure import Caught, failure_of
from engine.intents import By
from engine.world import Hosts
from projections.host import Host

log_ = logging.getLogger("sagastack.sweep")

BY = By(action="SYSTEM.RECONCILE", command="reconcile")


async def guests_of(hosts: Hosts, host: Host, within_s: float) -> list[GuestStatus]:
    """`Unavailable` also for a host that takes the question and never answers."""
    try:
        async with asyncio.timeout(within_s):
            session = await hosts.session(host.id)
            return await session.list_guests()
    except TimeoutError:
        raise Unavailable(f"{host.name} gave no answer within {within_s:.0f} s") from None


async def safely(look: Coroutine[Any, Any, None], within_s: float) -> None:
    """One look; whatever is wrong with it, the others go on."""
    with Caught() as caught:
        async with asyncio.timeout(within_s):
            await look
    if caught.error is not None:
        kind, text = failure_of(caught.error)
        bug = caught.error if kind == "Bug" else None
        log_.warning("could not be looked at: %s: %s", kind, text, exc_info=bug)
