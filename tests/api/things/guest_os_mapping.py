"""What a hypervisor calls a guest operating system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.genesis import stable_id
from engine.intents import SYSTEM
from engine.intents.record import CreateRecord
from tests.tenant.world import named

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    fields = {
        "hypervisor": "KVM",
        "hypervisor_version": "default",
        "os_type_id": stable_id("os_type", "Other Linux (64-bit)"),
        "name_for_hypervisor": "linux",
    }
    ask = CreateRecord(kind="guest_os_mapping", id=named("mapping"), fields=fields)
    await here.controller.engine.decide(ask, SYSTEM)
