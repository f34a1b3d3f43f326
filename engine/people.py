"""What the sagas of domains, accounts and users share: who may not go, and what goes with them.

Secrets are shredded after the commit that forgets them: a crash between the two leaves an entry
that nothing names, and the saga, taken up again, shreds it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.account import Account
from aggregates.api_key import ApiKey
from aggregates.base import Aggregate
from aggregates.errors import InUse, NotAllowed
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
from projections.table import TABLES
from projections.user import users

KEPT = {ADMIN_ACCOUNT, ADMIN_USER, SYSTEM_ACCOUNT, SYSTEM_USER}
# What goes with its account; everything else must be gone before.
OWN = ("user", "ssh_key_pair")
HISTORY = ("saga", "account")


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
    remove(run, user)
    return refs


def remove_key(run: Run[Any], key: ApiKey) -> str:
    remove(run, key)
    return key.secret_ref


def remove_account(run: Run[Any], account: Account) -> list[str]:
    """Remove an account that owns nothing but its people and keys."""
    keep(account, "deleted")
    left = [f"{count} {kind.replace('_', ' ')}" for kind, count in owned(run, account.id)]
    if left:
        raise InUse(f"account {account.name} owns {', '.join(left)}: delete those first")
    refs: list[str] = []
    for user in list(run.cloud[users].by("account_id", account.id)):
        refs += remove_user(run, user)
    for pair in list(run.cloud.table("ssh_key_pair").by("account_id", account.id)):
        remove(run, pair)
    remove(run, account)
    return refs


def owned(run: Run[Any], account_id: UUID) -> list[tuple[str, int]]:
    """How many of each kind an account owns, of what does not go with it."""
    found = []
    for kind, spec in TABLES.items():
        if kind in OWN + HISTORY or "account_id" not in spec.row.__struct_fields__:
            continue
        table = run.cloud[spec]
        rows = table.by("account_id", account_id) if "account_id" in spec.indexed else table
        count = sum(getattr(row, "account_id", None) == account_id for row in rows)
        if count:
            found.append((kind, count))
    return found


async def shred(run: Run[Any], refs: list[str]) -> None:
    """Forget secrets for good; the first password's readable copy goes with its hash."""
    for ref in refs:
        await run.world.vault.shred(UUID(ref))
        if ref == str(FIRST_PASSWORD_HASH):
            await run.world.vault.shred(FIRST_PASSWORD)
