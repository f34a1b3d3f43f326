"""What may be asked of a public address."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from engine.intents.ending import ending


class AllocateAddress(Struct, frozen=True, kw_only=True):
    """Take `wanted`, or the lowest free address of the zone, for a network or a VPC.

    Without either it is reserved: its owner has it, and it serves nothing yet.
    """

    id: UUID
    account_id: UUID
    domain_id: UUID
    zone_id: UUID
    network_id: UUID | None = None
    vpc_id: UUID | None = None
    wanted: str = ""
    is_displayed: bool = True


class AssociateReserved(Struct, frozen=True, kw_only=True):
    """Let a reserved address serve a network or a VPC."""

    id: UUID
    network_id: UUID | None = None
    vpc_id: UUID | None = None


class ReleaseAddress(Struct, frozen=True, kw_only=True):
    """Give an address back, with every rule on it."""

    id: UUID


class EnableStaticNat(Struct, frozen=True, kw_only=True):
    """Let an address stand for one address of a guest; without `vm_ip` for its first one."""

    address_id: UUID
    vm_id: UUID
    network_id: UUID | None = None
    vm_ip: str = ""


class DisableStaticNat(Struct, frozen=True, kw_only=True):
    """The address stands for no guest any more; what it let through is forgotten."""

    address_id: UUID


ending("public_ip_address", lambda address: ReleaseAddress(id=address.id))
