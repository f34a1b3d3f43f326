"""A vCenter's datacentre that nobody answers for: the port is one that nothing listens on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.intents import SYSTEM
from engine.intents.record import CreateRecord
from tests.tenant.world import ZONE, named

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    fields = {"zone_id": ZONE, "name": "DC0", "vcenter": "127.0.0.1:9", "username": "cloud"}
    ask = CreateRecord(kind="vmware_dc", id=named("vmware dc"), fields=fields)
    await here.controller.engine.decide(ask, SYSTEM)
