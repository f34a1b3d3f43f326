"""Opening and closing what the reconcilers report."""

from __future__ import annotations

from aggregates.finding import FindingKind, FindingMended, FindingOpened
from engine.decide import Desk, decision
from engine.intents.finding import CloseFindings, OpenFinding
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
        ),
    )


@decision
def close(ask: CloseFindings, desk: Desk) -> None:
    for finding_id in ask.ids:
        found = desk.cloud[findings].get(finding_id)
        if found is not None:
            desk.change(found, FindingMended(how="it is there no more"))
