"""What may be asked of a VPC and of the access lists of its tiers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from engine.intents.ending import VPCS, ending
from engine.intents.record import RemoveRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVpc:
    """`source_nat_ip` is the public address to go out by, or empty for any."""

    id: UUID
    address_id: UUID
    router_id: UUID
    fields: dict[str, Any]
    source_nat_ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartVpc:
    """Its router is made anew with this id if `cleanup`, or if it has none yet."""

    id: UUID
    address_id: UUID
    router_id: UUID
    cleanup: bool = False
    make_redundant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceNetworkAcl:
    """Let another list say what passes to and from a tier."""

    network_id: UUID
    network_acl_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNetworkAcl:
    """Give a tier that uses a built-in list, or none, an empty list of its own with this id."""

    network_id: UUID
    network_acl_id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveAclItem:
    """Put a line behind one and before another; one of the two is enough.

    `seen` is a fingerprint of the list as the caller knows it, or empty.
    """

    id: UUID
    behind: UUID | None = None
    before: UUID | None = None
    seen: str = ""


ending("vpc", lambda vpc: RemoveRecord(kind="vpc", id=vpc.id), turn=VPCS)
