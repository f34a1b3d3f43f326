"""Users as far as their secrets are concerned: what is replaced or removed is shredded."""

from __future__ import annotations

from aggregates.record import RECORDS
from engine import people
from engine.intents.user import ChangeUser, DeleteKey, DeleteUser, RekeyUser
from engine.saga import Run, Saga
from projections.api_key import api_keys
from projections.user import users

# What of a user is sealed: shredded once it is replaced.
SEALED = ("password_ref", "second_factor_ref")

change_user = Saga("user.change:1", ChangeUser, "user", lambda ask: ask.user_id, forward_only=True)


@change_user.step
def change(run: Run[ChangeUser]) -> list[str]:
    """Answers with the secrets that were replaced. Another password, or none, ends its sessions."""
    row, fields = run.row(users, run.intent.user_id), dict(run.intent.fields)
    locked = fields.get("state", "enabled") != "enabled"
    if locked:
        people.keep(row, str(fields["state"]))
    sealed = {name: getattr(row, name) for name in SEALED}
    gone = [ref for name, ref in sealed.items() if ref and fields.get(name, ref) != ref]
    if locked or row.password_ref in gone:
        fields["epoch"] = row.epoch + 1
    changed = RECORDS["user"].update(row, fields)
    if changed is not None:
        run.change(row, changed)
    return gone


@change_user.step
async def shred_password(run: Run[ChangeUser]) -> None:
    await people.shred(run, run[change])


rekey_user = Saga("user.rekey:1", RekeyUser, "user", lambda ask: ask.user_id, forward_only=True)


@rekey_user.step
def rekey(run: Run[RekeyUser]) -> list[str]:
    """The old main key stops working in the commit in which the new one begins to."""
    ask = run.intent
    row = run.row(users, ask.user_id)
    mine = [key for key in run.cloud[api_keys].by("user_id", row.id) if key.is_main]
    refs = [people.remove_key(run, key) for key in mine]
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


delete_key = Saga(
    "api_key.delete:1", DeleteKey, "api_key", lambda ask: ask.key_id, forward_only=True
)


@delete_key.step
def forget_key(run: Run[DeleteKey]) -> str:
    return people.remove_key(run, run.row(api_keys, run.intent.key_id))


@delete_key.step
async def shred_key(run: Run[DeleteKey]) -> None:
    await people.shred(run, [run[forget_key]])
