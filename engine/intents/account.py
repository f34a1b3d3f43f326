"""What may be asked about accounts that is more than a change of their fields."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from engine.intents.ending import ending


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAccountState:
    """Make an account `enabled`, `disabled` or `locked`."""

    account_id: UUID
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAccount:
    """Delete an account with all that it owns. `of_project`: the project itself is going."""

    account_id: UUID
    of_project: bool = False


ending("account", lambda account: DeleteAccount(account_id=account.id, of_project=True))
