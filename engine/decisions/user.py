"""A code of a second factor counts once; a user that moves leaves behind what it was by itself."""

from __future__ import annotations

from aggregates.errors import NotAllowed
from engine import people
from engine.decide import Desk, decision
from engine.decisions.project import remove_member
from engine.decisions.record import remove_parts, update
from engine.intents.project import RemoveMember
from engine.intents.record import UpdateRecord
from engine.intents.user import MoveUser, UseCode
from projections.account import accounts
from projections.project_member import project_members
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


@decision
def move_user(ask: MoveUser, desk: Desk) -> None:
    """Its sessions end, since they would go on with other rights, and so do its memberships and
    what it was invited to by itself."""
    row, account = desk.row(users, ask.user_id), desk.row(accounts, ask.account_id)
    people.keep(row, "moved")
    if account.domain_id != row.domain_id:
        raise NotAllowed(f"account {account.name} is in another domain than user {row.name}")
    for member in list(desk.cloud[project_members].by("account_id", row.account_id)):
        if member.user_id == row.id:
            remove_member(RemoveMember(member_id=member.id), desk)
    remove_parts(desk, "project_invitation", "user_id", row.id)
    fields = {"account_id": account.id, "epoch": row.epoch + 1}
    update(UpdateRecord(kind="user", id=row.id, fields=fields), desk)
