"""What may be asked about accounts that is more than a change of their fields."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAccountState:
    """Make an account `enabled`, `disabled` or `locked`."""

    account_id: UUID
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAccount:
    """Delete an account with its users and keys; refused while it owns anything else."""

    account_id: UUID
