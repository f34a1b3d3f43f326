"""An SSH key pair: only its public half is known to the cloud."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "ssh_key_pair",
    unique=(("account_id", "name"),),
    references={"account_id": "account", "domain_id": "domain"},
)
class SshKeyPair(Aggregate):
    name: str
    account_id: UUID
    domain_id: UUID
    public_key: str
    fingerprint: str
