"""Notes, details and icons: each is hung on a thing that is there, and is gone with it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from aggregates.base import Aggregate
from aggregates.errors import Invalid, NotFound
from aggregates.record import RECORDS
from engine.decide import Desk, decision
from engine.decisions import record
from engine.intents.attached import Annotate, SetDetails, SetIcons, TakeDetails, TakeIcons
from engine.intents.record import CreateRecord, UpdateRecord
from projections.resource_detail import resource_details
from projections.resource_icon import resource_icons
from projections.table import TABLES

DETAILS_MAX = 100


def thing(desk: Desk, kind: str, thing_id: UUID) -> Aggregate:
    """The thing, guarded: nothing is hung on it after its end."""
    row: Aggregate = desk.row(TABLES[kind], thing_id)
    desk.guard(row)
    return row


def _hang(desk: Desk, kind: str, row_id: UUID, known: Any, fields: dict[str, Any]) -> None:
    """Make a row that hangs on a thing, or give the one that is there these fields."""
    if known is None:
        record.create(CreateRecord(kind=kind, id=row_id, fields=fields), desk)
    else:
        record.update(UpdateRecord(kind=kind, id=known.id, fields=fields), desk)


@decision
def annotate(ask: Annotate, desk: Desk) -> None:
    thing(desk, ask.kind, ask.thing_id)
    about = {"kind": ask.kind, "resource_id": ask.thing_id, "user_id": ask.user_id}
    said = {"text": ask.text, "admins_only": ask.admins_only}
    _hang(desk, "annotation", ask.id, None, about | said)


@decision
def set_details(ask: SetDetails, desk: Desk) -> None:
    thing(desk, ask.kind, ask.thing_id)
    there = {row.key: row for row in desk.cloud[resource_details].by("resource_id", ask.thing_id)}
    if len(there.keys() | ask.details.keys()) > DETAILS_MAX:
        raise Invalid(f"a thing has at most {DETAILS_MAX} details: remove some first")
    for key, value in ask.details.items():
        about = {"kind": ask.kind, "resource_id": ask.thing_id, "key": key}
        fields = about | {"value": value, "is_displayed": ask.is_displayed}
        _hang(desk, "resource_detail", uuid5(ask.seed, key), there.get(key), fields)


@decision
def take_details(ask: TakeDetails, desk: Desk) -> None:
    thing(desk, ask.kind, ask.thing_id)
    rows = desk.cloud[resource_details].by("resource_id", ask.thing_id)
    found = [row for row in rows if ask.key in ("", row.key)]
    if not found:
        raise NotFound(f"{ask.kind} {ask.thing_id} has no such detail: see listResourceDetails")
    for row in found:
        desk.change(row, RECORDS["resource_detail"].removed())


@decision
def set_icons(ask: SetIcons, desk: Desk) -> None:
    for thing_id in dict.fromkeys(ask.things):
        thing(desk, ask.kind, thing_id)
        known = desk.cloud[resource_icons].one("resource_id", thing_id)
        fields = {"kind": ask.kind, "resource_id": thing_id, "image": ask.image}
        _hang(desk, "resource_icon", uuid5(ask.seed, str(thing_id)), known, fields)


@decision
def take_icons(ask: TakeIcons, desk: Desk) -> None:
    for thing_id in dict.fromkeys(ask.things):
        known = desk.cloud[resource_icons].one("resource_id", thing_id)
        if known is None:
            raise NotFound(f"{ask.kind} {thing_id} has no icon")
        desk.change(known, RECORDS["resource_icon"].removed())
