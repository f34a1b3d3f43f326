"""An offering that somebody uses cannot go: it is taken off the list, and kept for them."""

from __future__ import annotations

from typing import Any

from aggregates.errors import InUse, NotAllowed
from engine.decide import Desk, decision
from engine.decisions.record import remove, update
from engine.intents.offering import DeleteOffering
from engine.intents.record import RemoveRecord, UpdateRecord
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
