"""What the sagas of domains, accounts and users share: who may not go, and whose keys go along.

Secrets are shredded after the commit that forgets them: a crash between the two leaves an entry
that nothing names, and the saga, taken up again, shreds it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.account import Account
from aggregates.api_key import ApiKey
from aggregates.base import Aggregate
from aggregates.errors import NotAllowed
from aggregates.project import OWNER
from aggregates.project_member import ProjectMember
from aggregates.record import RECORDS
from aggregates.user import User
from engine.genesis import (
    ADMIN_ACCOUNT,
    ADMIN_USER,
    FIRST_PASSWORD,
    FIRST_PASSWORD_HASH,
    SYSTEM_ACCOUNT,
    SYSTEM_USER,
)
from engine.saga import Run
from projections.api_key import api_keys
from projections.project import projects
from projections.project_invitation import project_invitations
from projections.project_member import project_members

KEPT = {ADMIN_ACCOUNT, ADMIN_USER, SYSTEM_ACCOUNT, SYSTEM_USER}


def keep(row: Account | User, verb: str) -> None:
    """Refuse what would lock everybody out of the cloud."""
    if row.id in KEPT:
        raise NotAllowed(f"{row.KIND} {row.name} came with the cloud: it cannot be {verb}")


def remove(run: Run[Any], row: Aggregate) -> None:
    run.change(row, RECORDS[row.KIND].removed())


def remove_user(run: Run[Any], user: User) -> list[str]:
    """Remove a user and its keys; answers with what is to be shredded."""
    keys = list(run.cloud[api_keys].by("user_id", user.id))
    refs = [user.password_ref, *(remove_key(run, key) for key in keys)]
    refs += [user.second_factor_ref] if user.second_factor_ref else []
    for member in list(run.cloud[project_members].by("account_id", user.account_id)):
        if member.user_id == user.id:
            _not_the_last(run, user, member)
            remove(run, member)
    for asked in list(run.cloud[project_invitations].by("account_id", user.account_id)):
        if asked.user_id == user.id:
            remove(run, asked)
    remove(run, user)
    return refs


def _not_the_last(run: Run[Any], user: User, leaving: ProjectMember) -> None:
    """Refuse to leave a project without an owner."""
    others = run.cloud[project_members].by("project_id", leaving.project_id)
    if leaving.role != OWNER or any(o.role == OWNER and o.id != leaving.id for o in others):
        return
    project = run.cloud[projects][leaving.project_id]
    raise NotAllowed(
        f"user {user.name} is the only owner of project {project.name}: give it another one first"
    )


def remove_key(run: Run[Any], key: ApiKey) -> str:
    remove(run, key)
    return key.secret_ref


async def shred(run: Run[Any], refs: list[str]) -> None:
    """Forget secrets for good; the first password's readable copy goes with its hash."""
    for ref in refs:
        await run.world.vault.shred(UUID(ref))
        if ref == str(FIRST_PASSWORD_HASH):
            await run.world.vault.shred(FIRST_PASSWORD)
