"""What may be asked about domains that concerns more than one of them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameDomain:
    """Give a domain another name; the paths of all below it follow."""

    domain_id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveDomain:
    """Put a domain, with all below it, below another one."""

    domain_id: UUID
    parent_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteDomain:
    """Delete a domain. `cleanup` also deletes the domains and accounts below it."""

    domain_id: UUID
    cleanup: bool
