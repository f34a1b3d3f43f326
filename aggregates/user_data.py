"""User data that is kept under a name: what guests are told at their first start."""

from __future__ import annotations

from uuid import UUID

import msgspec

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "user_data",
    unique=(("account_id", "name"),),
    references={"account_id": "account", "domain_id": "domain"},
)
class UserData(Aggregate):
    """`content` is base64; `params` are the names of what each guest may say for itself.

    `is_cni` marks what configures the network of containers: it is listed apart.
    """

    name: str
    account_id: UUID
    domain_id: UUID
    content: str
    params: list[str] = msgspec.field(default_factory=list)
    is_cni: bool = False
