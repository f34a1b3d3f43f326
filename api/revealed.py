"""Secrets that a list tells those who may see the thing, as CloudStack's clients expect it.

    async def run(self, caller: Caller) -> Page:
        return await with_secrets(self, caller, "ipsec_psk", "psk_ref")

Rows hold only the id of an entry of the vault. What was shredded meanwhile is left out, so a
secret is in no event, no job and no past.
"""

from __future__ import annotations

from typing import Any

from api.caller import Caller
from api.declare import Page
from api.lists import ListAsk


async def with_secrets(ask: Any, caller: Caller, shown: str, ref: str) -> Page:
    """The page of a list with one field of each view filled from the vault."""
    page = await ListAsk.run(ask, caller)
    table = caller.cloud.table(ask.PLAN.kind)
    for made in page.items:
        try:
            setattr(made, shown, await caller.secret(getattr(table[made.id], ref)))
        except KeyError:
            continue
    return page
