"""What may be asked of a VPC and of the access lists of its tiers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

from engine.intents.ending import VPCS, ending
from engine.intents.record import RemoveRecord


class CreateVpc(Struct, frozen=True, kw_only=True):
    """`source_nat_ip` is the public address to go out by, or empty for any."""

    id: UUID
    address_id: UUID
    router_id: UUID
    fields: dict[str, Any]
    source_nat_ip: str = ""


class RestartVpc(Struct, frozen=True, kw_only=True):
    """Its router is made anew with this id if `cleanup`, or if it has none yet."""

    id: UUID
    address_id: UUID
    router_id: UUID
    cleanup: bool = False
    make_redundant: bool = False


class ReplaceNetworkAcl(Struct, frozen=True, kw_only=True):
    """Let another list say what passes to and from a tier."""

    network_id: UUID
    network_acl_id: UUID


class OwnNetworkAcl(Struct, frozen=True, kw_only=True):
    """Give a tier that uses a built-in list, or none, an empty list of its own with this id."""

    network_id: UUID
    network_acl_id: UUID
    name: str


class MoveAclItem(Struct, frozen=True, kw_only=True):
    """Put a line behind one and before another; one of the two is enough.

    `seen` is a fingerprint of the list as the caller knows it, or empty.
    """

    id: UUID
    behind: UUID | None = None
    before: UUID | None = None
    seen: str = ""


ending("vpc", lambda vpc: RemoveRecord(kind="vpc", id=vpc.id), turn=VPCS)
