"""Whether an account's users may act."""

from __future__ import annotations

from aggregates.errors import NotAllowed
from aggregates.record import RECORDS
from engine.decide import Desk, decision
from engine.intents.account import SetAccountState
from engine.people import keep
from projections.account import accounts


@decision
def set_account_state(ask: SetAccountState, desk: Desk) -> None:
    """A disabled account's users are refused from their next request on, and their sessions end."""
    row = desk.row(accounts, ask.account_id)
    if row.ending is not None:
        raise NotAllowed(f"account {row.name} is being deleted by job {row.ending}")
    if row.role_type == "Project":
        raise NotAllowed(f"account {row.name} is a project's: suspend or activate the project")
    if ask.state != "enabled":
        keep(row, ask.state)
    fields: dict[str, object] = {"state": ask.state}
    if ask.state not in ("enabled", row.state):
        fields["epoch"] = row.epoch + 1
    changed = RECORDS["account"].update(row, fields)
    if changed is not None:
        desk.change(row, changed)
