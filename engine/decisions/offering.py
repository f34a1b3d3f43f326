"""An offering that somebody uses cannot go: it is taken off the list, and kept for them."""

from __future__ import annotations

from typing import Any

from aggregates.errors import InUse, NotAllowed
from engine.decide import Desk, decision
from engine.decisions.record import farewell, remove, update
from engine.intents.offering import DeleteOffering
from engine.intents.record import RemoveRecord, UpdateRecord
from engine.intents.vm_life import ScaleVm
from engine.saga import BY_INTENT
from projections.saga import RunState, saga_runs
from projections.service_offering import ServiceOffering
from projections.table import TABLES

INACTIVE = {"network_offering": "Disabled", "vpc_offering": "Disabled"}


@decision
def delete_offering(ask: DeleteOffering, desk: Desk) -> None:
    row: Any = desk.row(TABLES[ask.kind], ask.id)
    if getattr(row, "is_default", False) or getattr(row, "is_system", False):
        raise NotAllowed(f"{ask.kind.replace('_', ' ')} {row.name} came with the cloud and stays")
    try:
        remove(RemoveRecord(kind=ask.kind, id=ask.id), desk)
    except InUse:
        state = INACTIVE.get(ask.kind, "Inactive")
        update(UpdateRecord(kind=ask.kind, id=ask.id, fields={"state": state}), desk)


@farewell("service_offering")
def nobody_grows_into_it(row: ServiceOffering, desk: Desk) -> None:
    """A guest that is scaled is of its new offering at the end only, and must find it then."""
    runs, name = desk.cloud[saga_runs], BY_INTENT[ScaleVm].name
    for state in (RunState.RUNNING, RunState.PARKED):
        for run in runs.by("state", state):
            if run.name == name and run.intent["service_offering_id"] == str(row.id):
                raise InUse(f"service offering {row.name} is in use by job {run.id}: wait for it")
