"""An account: who owns things and pays for them."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "account",
    unique=(("domain_id", "name"),),
    references={"domain_id": "domain", "role_id": "role"},
)
class Account(Aggregate):
    """`state` is enabled, disabled or locked; a disabled account's users cannot do anything.

    `role_type` is that of its role, or `Project` for the account that owns what a project has.
    `ending` is the job that deletes it; `epoch` rises whenever the sessions of its users end.
    """

    name: str
    domain_id: UUID
    role_id: UUID
    role_type: str
    state: str = "enabled"
    network_domain: str = ""
    default_zone_id: UUID | None = None
    api_key_access: str = "inherit"
    ending: UUID | None = None
    epoch: int = 0
    details: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def account_id(self) -> UUID:
        """An account is its own owner, so it is scoped like what it owns."""
        return self.id
