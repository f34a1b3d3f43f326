"""The end of a vCenter's datacentre: its password is shredded."""

from __future__ import annotations

from engine import people
from engine.decide import Desk
from engine.decisions import record
from engine.intents import By
from engine.intents.record import RemoveRecord
from engine.intents.vmware_dc import RemoveVmwareDc
from engine.saga import Run, Saga
from projections.vmware_dc import vmware_dcs

remove_vmware_dc = Saga(
    "vmware_dc.remove:1", RemoveVmwareDc, "vmware_dc", lambda ask: ask.id, forward_only=True
)


@remove_vmware_dc.step
def forget(run: Run[RemoveVmwareDc]) -> list[str]:
    row = run.row(vmware_dcs, run.intent.id)
    assert run.draft is not None
    desk = Desk(run.draft, run.world, By())
    record.remove(RemoveRecord(kind="vmware_dc", id=row.id), desk)
    return [row.password_ref] if row.password_ref else []


@remove_vmware_dc.step
async def shred(run: Run[RemoveVmwareDc]) -> None:
    await people.shred(run, run[forget])
