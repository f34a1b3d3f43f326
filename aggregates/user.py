"""A user: a person or a program that signs in, always of one account."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "user",
    unique=(("domain_id", "name"),),
    references={"account_id": "account", "domain_id": "domain"},
)
class User(Aggregate):
    """`name` is what it signs in with; `password_ref` points into the sealed store.

    `source` says who checks its password. The secret of its second factor is sealed under
    `second_factor_ref`, and asked for once `second_factor_on`; `second_factor_counter` is the half
    minute of the last code, so that no code counts twice. `epoch` rises whenever its sessions end.
    """

    name: str
    account_id: UUID
    domain_id: UUID
    password_ref: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    timezone: str = ""
    state: str = "enabled"
    source: str = "native"
    second_factor_ref: str = ""
    second_factor_on: bool = False
    second_factor_mandated: bool = False
    second_factor_counter: int = 0
    api_key_access: str = "inherit"
    epoch: int = 0
