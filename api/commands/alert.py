"""What is not as the log says, or what somebody said, and waits for a person to look."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.caller import Caller, Job
from api.declare import Length, Moment, Names, Page, Success, Wire, command
from api.errors import InvalidValue
from api.lists import Filter, list_command
from api.views.alert import TYPES, AlertTypeView, AlertView, name_of, type_of
from engine.intents.finding import PutAlertsAway, SayAlert
from engine.intents.job import AsJob
from projections.finding import Finding, findings

AlertIds = Annotated[tuple[UUID, ...] | None, "these alerts", Names("finding", right="operate")]
AlertType = Annotated[str | None, "those of this type, by number or name"]
Since = Annotated[Moment | None, "those since then; enddate is given too"]
Until = Annotated[Moment | None, "those until then"]


def number_of(word: str) -> int:
    """A type of alert by its number or its name."""
    named = next((number for number, name in TYPES.items() if name == word.upper()), None)
    number = int(word) if word.isascii() and word.isdigit() and len(word) < 6 else named
    if number not in TYPES:
        raise InvalidValue(f"type {word[:50]} is no type of alert: listAlertTypes has them all")
    return number


def is_of_type(row: Finding, wanted: int) -> bool:
    return type_of(row) == wanted


def is_named(row: Finding, wanted: str) -> bool:
    return name_of(row).casefold() == wanted.casefold()


@list_command(
    "listAlerts", view=AlertView, table=findings, key="alert", scope="admin", keyword=("text",)
)
class ListAlerts:
    """List what reconciliation has found and cannot mend, and what was said by hand."""

    name: Annotated[str | None, "what was found, such as missing disk", Filter(test=is_named)] = (
        None
    )
    type: Annotated[
        int | None,
        "those of this type, see listAlertTypes",
        Filter(test=is_of_type),
        Wire(type="string"),
    ] = None

    def matches(self, row: Finding, caller: Caller) -> bool:
        """What a person put away is known still, and listed no more."""
        return not row.shelf


@command(
    "listAlertTypes", returns=AlertTypeView, key="alerttype", shape="list", allow="A", since="4.20"
)
class ListAlertTypes:
    """List what an alert can be about."""

    async def run(self, caller: Caller) -> Page:
        found = [AlertTypeView(alert_type_id=number, name=name) for number, name in TYPES.items()]
        return Page(len(found), found)


@command("generateAlert", returns=Success, is_async=True, allow="A", action="ALERT.GENERATE")
class GenerateAlert:
    """Say what somebody should look at."""

    name: Annotated[str, "what it is, in a few words"]
    description: Annotated[str, "what it is, in full", Length(999)]
    type: Annotated[int, "its type, see listAlertTypes", Wire(type="short")]
    zone_id: Annotated[UUID | None, "the zone that it is about", Names("zone")] = None
    pod_id: Annotated[UUID | None, "the pod that it is about", Names("pod")] = None

    async def run(self, caller: Caller) -> Job:
        row_id = caller.new_id()
        ask = SayAlert(
            id=row_id,
            name=self.name,
            text=self.description,
            alert_type=number_of(str(self.type)),
            place_id=self.pod_id or self.zone_id,
        )
        return await caller.submit(AsJob(ask=ask, subject_kind="finding", subject_id=row_id))


def alerts_meant(
    caller: Caller,
    ids: tuple[UUID, ...] | None,
    kind: str | None,
    first_ms: int | None,
    last_ms: int | None,
) -> tuple[UUID, ...]:
    """Of the alerts, those that fit all that was said of them."""
    if not ids and not kind and last_ms is None:
        raise InvalidValue("either ids, type or enddate must be given: which alerts are meant?")
    if first_ms is not None and last_ms is None:
        raise InvalidValue("startdate needs enddate beside it")
    number = number_of(kind) if kind else None
    table = caller.cloud[findings]
    return tuple(
        row.id
        for row in ((table[one] for one in dict.fromkeys(ids)) if ids else table)
        if (number is None or type_of(row) == number)
        and (first_ms or 0) <= row.created_at_ms
        and (last_ms is None or row.created_at_ms <= last_ms)
    )


@command("archiveAlerts", returns=Success, allow="A", action="ALERT.ARCHIVE")
class ArchiveAlerts:
    """Put alerts away. What was found is still known, so it is not found again."""

    ids: AlertIds = None
    type: AlertType = None
    start_date: Since = None
    end_date: Until = None

    async def run(self, caller: Caller) -> None:
        found = alerts_meant(caller, self.ids, self.type, self.start_date, self.end_date)
        await caller.decide(PutAlertsAway(ids=found))


@command("deleteAlerts", returns=Success, allow="A", action="ALERT.DELETE")
class DeleteAlerts:
    """Take alerts off the list for good. The log has them anyway."""

    ids: AlertIds = None
    type: AlertType = None
    start_date: Since = None
    end_date: Until = None

    async def run(self, caller: Caller) -> None:
        found = alerts_meant(caller, self.ids, self.type, self.start_date, self.end_date)
        await caller.decide(PutAlertsAway(ids=found, deleted=True))
