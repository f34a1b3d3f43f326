"""Opening and closing what the reconcilers report."""

from __future__ import annotations

from aggregates.finding import (
    FindingKind,
    FindingMended,
    FindingOpened,
    FindingPutAway,
    Shelf,
)
from engine.decide import Desk, decision
from engine.intents.finding import CloseFindings, OpenFinding, PutAlertsAway, SayAlert
from projections.finding import findings


@decision
def open_finding(ask: OpenFinding, desk: Desk) -> None:
    for known in desk.cloud[findings].by("subject", ask.subject):
        if (known.finding, known.place_id) == (ask.finding, ask.place_id):
            return
    desk.create(
        ask.id,
        FindingOpened(
            finding=FindingKind(ask.finding),
            place_id=ask.place_id,
            subject=ask.subject,
            text=ask.text,
            alert_type=ask.alert_type,
        ),
    )


@decision
def close(ask: CloseFindings, desk: Desk) -> None:
    for finding_id in ask.ids:
        found = desk.cloud[findings].get(finding_id)
        if found is not None:
            desk.change(found, FindingMended(how="it is there no more"))


@decision
def say(ask: SayAlert, desk: Desk) -> None:
    desk.create(
        ask.id,
        FindingOpened(
            finding=FindingKind.SAID,
            place_id=ask.place_id or ask.id,
            subject=ask.name,
            text=ask.text,
            alert_type=ask.alert_type,
        ),
    )


@decision
def put_away(ask: PutAlertsAway, desk: Desk) -> None:
    """What was only said is over with that; what was found would be found again, so it is kept."""
    for finding_id in ask.ids:
        row = desk.row(findings, finding_id)
        if ask.deleted and row.finding is FindingKind.SAID:
            desk.change(row, FindingMended(how="an administrator deleted the alert"))
        else:
            desk.change(row, FindingPutAway(shelf=Shelf.DELETED if ask.deleted else Shelf.ARCHIVED))
