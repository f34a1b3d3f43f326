"""Keeping a range of public addresses for an account or a domain."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class DedicateRange(Struct, frozen=True, kw_only=True):
    """From now on only this account, or this domain with all below it, takes addresses of it.

    Neither opens the range to everybody again.
    """

    id: UUID
    account_id: UUID | None = None
    domain_id: UUID | None = None
