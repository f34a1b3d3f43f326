"""Users as far as their secrets are concerned: what is replaced or removed is shredded."""

from __future__ import annotations

from aggregates.record import RECORDS
from engine import people
from engine.intents.user import ChangeUser, DeleteUser, RekeyUser
from engine.saga import Run, Saga
from projections.api_key import api_keys
from projections.user import users

change_user = Saga("user.change:1", ChangeUser, "user", lambda ask: ask.user_id, forward_only=True)


@change_user.step
def change(run: Run[ChangeUser]) -> list[str]:
    """Answers with the password that was replaced, if one was."""
    row, fields = run.row(users, run.intent.user_id), run.intent.fields
    if fields.get("state", "enabled") != "enabled":
        people.keep(row, str(fields["state"]))
    before = row.password_ref
    changed = RECORDS["user"].update(row, fields)
    if changed is not None:
        run.change(row, changed)
    return [before] if fields.get("password_ref", before) != before else []


@change_user.step
async def shred_password(run: Run[ChangeUser]) -> None:
    await people.shred(run, run[change])


rekey_user = Saga("user.rekey:1", RekeyUser, "user", lambda ask: ask.user_id, forward_only=True)


@rekey_user.step
def rekey(run: Run[RekeyUser]) -> list[str]:
    """Old keys stop working in the commit in which the new one begins to."""
    ask = run.intent
    row = run.row(users, ask.user_id)
    refs = [people.remove_key(run, key) for key in list(run.cloud[api_keys].by("user_id", row.id))]
    fields = {"key": ask.key, "user_id": row.id, "secret_ref": ask.secret_ref, "name": row.name}
    run.create(ask.key_id, RECORDS["api_key"].create(fields))
    return refs


@rekey_user.step
async def shred_keys(run: Run[RekeyUser]) -> None:
    await people.shred(run, run[rekey])


delete_user = Saga("user.delete:1", DeleteUser, "user", lambda ask: ask.user_id, forward_only=True)


@delete_user.step
def forget(run: Run[DeleteUser]) -> list[str]:
    row = run.row(users, run.intent.user_id)
    people.keep(row, "deleted")
    return people.remove_user(run, row)


@delete_user.step
async def shred(run: Run[DeleteUser]) -> None:
    await people.shred(run, run[forget])
