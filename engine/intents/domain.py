"""What may be asked about domains that concerns more than one of them."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class RenameDomain(Struct, frozen=True, kw_only=True):
    """Give a domain another name; the paths of all below it follow."""

    domain_id: UUID
    name: str


class MoveDomain(Struct, frozen=True, kw_only=True):
    """Put a domain, with all below it, below another one."""

    domain_id: UUID
    parent_id: UUID


class DeleteDomain(Struct, frozen=True, kw_only=True):
    """Delete a domain. `cleanup` also deletes the domains and accounts below it."""

    domain_id: UUID
    cleanup: bool
