"""Sign in on hosts with another password: each is reached with it before the old one is forgotten.

If one of them does not let the controller in, all stay as they were.
"""

from __future__ import annotations

from uuid import UUID

from aggregates.errors import Conflict
from aggregates.host import HostConnected
from aggregates.host_sign_in import HostSignInChanged
from engine.decisions.host import supply
from engine.intents.host import ChangeSignIn
from engine.saga import Run, Saga
from engine.sagas.host_add import ONCE_MORE, ask_facts
from projections.host import hosts

change_sign_in = Saga(
    "host.sign_in:1", ChangeSignIn, subject="host", subject_id=lambda ask: ask.hosts[0].host_id
)


@change_sign_in.step(no_undo="it only looks")
def check(run: Run[ChangeSignIn]) -> None:
    for one in run.intent.hosts:
        host = run.row(hosts, one.host_id)
        host.idle()
        if (host.username, host.password_ref) != (one.old_username, one.old_password_ref):
            raise Conflict(f"the password of host {host.name} was just changed: look, try again")
        run.guard(host)


@change_sign_in.step(timeout_s=60)
async def keep(run: Run[ChangeSignIn]) -> None:
    """The new passwords are sealed already; this step is there to take them back."""


@keep.undo
async def forget(run: Run[ChangeSignIn]) -> None:
    for one in run.intent.hosts:
        await run.world.vault.shred(UUID(one.password_ref))


@change_sign_in.step
def change(run: Run[ChangeSignIn]) -> None:
    for one in run.intent.hosts:
        said = HostSignInChanged(username=one.username, password_ref=one.password_ref)
        run.change(run.row(hosts, one.host_id), said)


@change.undo
def change_back(run: Run[ChangeSignIn]) -> None:
    for one in run.intent.hosts:
        host = run.cloud[hosts].get(one.host_id)
        if host is not None and host.password_ref == one.password_ref:
            said = HostSignInChanged(username=one.old_username, password_ref=one.old_password_ref)
            run.change(host, said)


@change_sign_in.step(timeout_s=120, patience=ONCE_MORE)
async def connect(run: Run[ChangeSignIn]) -> list[HostConnected]:
    found = []
    for one in run.intent.hosts:
        await run.world.hosts.drop(one.host_id)
        found.append(await ask_facts(await run.world.hosts.session(one.host_id)))
    return found


@connect.undo
async def disconnect(run: Run[ChangeSignIn]) -> None:
    """Connections are made anew when they are next needed, as the log says by then."""
    for one in run.intent.hosts:
        await run.world.hosts.drop(one.host_id)


@change_sign_in.step(timeout_s=30, pivot=True, no_undo="what is shredded is gone")
async def shred_old(run: Run[ChangeSignIn]) -> None:
    for one in run.intent.hosts:
        if one.old_password_ref:
            await run.world.vault.shred(UUID(one.old_password_ref))


@change_sign_in.step(no_undo="the last step: nothing after it can fail")
def record(run: Run[ChangeSignIn]) -> None:
    answers = run[connect]
    for one, facts in zip(run.intent.hosts, answers, strict=True):
        run.change(run.row(hosts, one.host_id), facts)
        supply(run, one.host_id)
