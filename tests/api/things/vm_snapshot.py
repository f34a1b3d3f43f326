"""A guest that has run, and a snapshot of it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from engine.intents import SYSTEM
from engine.intents.vm import StartVm, StopVm
from engine.intents.vm_snapshot import CreateVmSnapshot
from tests.tenant.world import SMALL, TEMPLATE, ZONE, named

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    ask = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
    card = here.thing("nic")
    assert card is not None
    ask["networkids"] = str(here.cloud.table("nic")[card].network_id)
    made = await here.make("ann", "deployVirtualMachine", startvm="false", name="kept", **ask)
    vm_id, perform = UUID(made["id"]), here.controller.engine.perform
    await perform(StartVm(vm_id=vm_id), SYSTEM)
    await perform(StopVm(vm_id=vm_id), SYSTEM)
    kept = CreateVmSnapshot(
        snapshot_id=named("vm snapshot"), vm_id=vm_id, name="kept", display_name="kept"
    )
    await perform(kept, SYSTEM)
