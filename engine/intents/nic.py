"""What may be asked of network cards. Ids are settled by who asks."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from engine.intents.vm import NicAsk

ADDING = "AddingNic"
"""What a guest that gets a card is said to be doing."""


class AddNic(Struct, frozen=True, kw_only=True):
    """Another card for a guest, whether it runs or not."""

    vm_id: UUID
    nic: NicAsk


class RemoveNic(Struct, frozen=True, kw_only=True):
    vm_id: UUID
    nic_id: UUID


class SetDefaultNic(Struct, frozen=True, kw_only=True):
    """Let the guest's default route go through another of its cards."""

    vm_id: UUID
    nic_id: UUID


class SetDhcpOptions(Struct, frozen=True, kw_only=True):
    """What DHCP tells the guest on these networks from now on; on others it stays as it is."""

    vm_id: UUID
    options: dict[UUID, dict[str, str]]


class AddNicIp(Struct, frozen=True, kw_only=True):
    """A further address on a card; empty `ip4` takes the lowest free one."""

    vm_id: UUID
    nic_id: UUID
    ip_id: UUID
    ip4: str = ""


class RemoveNicIp(Struct, frozen=True, kw_only=True):
    vm_id: UUID
    nic_id: UUID
    ip_id: UUID


class ChangeNicIp(Struct, frozen=True, kw_only=True):
    """Another address for the card of a stopped guest. `ip_id` names the promise of it."""

    vm_id: UUID
    nic_id: UUID
    ip_id: UUID
    ip4: str = ""
