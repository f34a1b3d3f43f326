"""A code of a second factor counts once, whoever sends it first."""

from __future__ import annotations

from aggregates.errors import NotAllowed
from engine.decide import Desk, decision
from engine.decisions.record import update
from engine.intents.record import UpdateRecord
from engine.intents.user import UseCode
from projections.user import users


@decision
def use_code(ask: UseCode, desk: Desk) -> None:
    """The first code that counts turns the factor on: it proves that the user's app has it."""
    row = desk.row(users, ask.user_id)
    if row.second_factor_ref != ask.ref:
        raise NotAllowed("another secret was set up meanwhile: use a code of that one")
    if ask.counter <= row.second_factor_counter:
        raise NotAllowed("this code was used already: wait for the next one")
    fields = {"second_factor_counter": ask.counter, "second_factor_on": True}
    update(UpdateRecord(kind="user", id=row.id, fields=fields), desk)
