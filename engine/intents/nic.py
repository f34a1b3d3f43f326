"""What may be asked of network cards. Ids are settled by who asks."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from engine.intents.vm import NicAsk


@dataclass(frozen=True, slots=True, kw_only=True)
class AddNic:
    """Another card for a guest, whether it runs or not."""

    vm_id: UUID
    nic: NicAsk


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNic:
    vm_id: UUID
    nic_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefaultNic:
    """Let the guest's default route go through another of its cards."""

    vm_id: UUID
    nic_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDhcpOptions:
    """What DHCP tells the guest on these networks from now on; on others it stays as it is."""

    vm_id: UUID
    options: dict[UUID, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddNicIp:
    """A further address on a card; empty `ip4` takes the lowest free one."""

    vm_id: UUID
    nic_id: UUID
    ip_id: UUID
    ip4: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNicIp:
    vm_id: UUID
    nic_id: UUID
    ip_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeNicIp:
    """Another address for the card of a stopped guest. `ip_id` names the promise of it."""

    vm_id: UUID
    nic_id: UUID
    ip_id: UUID
    ip4: str = ""
