"""What may be asked about accounts that is more than a change of their fields."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from engine.intents.ending import ending


class SetAccountState(Struct, frozen=True, kw_only=True):
    """Make an account `enabled`, `disabled` or `locked`."""

    account_id: UUID
    state: str


class DeleteAccount(Struct, frozen=True, kw_only=True):
    """Delete an account with all that it owns.

    `of_project`: its project is going, or its domain, and so do the projects that it owns alone.
    """

    account_id: UUID
    of_project: bool = False


ending("account", lambda account: DeleteAccount(account_id=account.id, of_project=True))
