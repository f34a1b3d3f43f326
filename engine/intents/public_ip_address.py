"""What may be asked of a public address."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from engine.intents.ending import ending


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocateAddress:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateReserved:
    """Let a reserved address serve a network or a VPC."""

    id: UUID
    network_id: UUID | None = None
    vpc_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseAddress:
    """Give an address back, with every rule on it."""

    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableStaticNat:
    """Let an address stand for one address of a guest; without `vm_ip` for its first one."""

    address_id: UUID
    vm_id: UUID
    network_id: UUID | None = None
    vm_ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisableStaticNat:
    """The address stands for no guest any more; what it let through is forgotten."""

    address_id: UUID


ending("public_ip_address", lambda address: ReleaseAddress(id=address.id))
