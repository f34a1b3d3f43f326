"""What gives bare-metal machines of the zone their addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aggregates.baremetal_service import DHCP
from engine.intents import SYSTEM
from engine.intents.record import CreateRecord
from tests.tenant.world import WIRES, named

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    fields = {"physical_network_id": WIRES, "part": DHCP, "server_type": "Dnsmasq"}
    fields |= {"interface": "br-prov"}
    ask = CreateRecord(kind="baremetal_service", id=named("baremetal dhcp"), fields=fields)
    await here.controller.engine.decide(ask, SYSTEM)
