"""Guests that no controller made: what is seen of them, and what may be asked of them."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct, field


class FoundDisk(Struct, frozen=True, kw_only=True):
    """An image; `pool_id` is None for one that lies in no pool of ours.

    `convert_to` is a format that it must have first, or empty.
    """

    label: str
    path: str
    size_bytes: int
    image_format: str
    pool_id: UUID | None
    convert_to: str = ""


class FoundNic(Struct, frozen=True, kw_only=True):
    mac: str
    bridge: str


class FoundGuest(Struct, frozen=True, kw_only=True):
    """A stranger as its host shows it now. `power` is running, paused, off or crashed."""

    host_id: UUID
    name: str
    power: str
    cpu_count: int
    memory_mib: int
    disks: tuple[FoundDisk, ...] = ()
    nics: tuple[FoundNic, ...] = ()


class FoundElsewhere(Struct, frozen=True, kw_only=True):
    """A stranger on a host that need not be one of ours: `host_id` is None then."""

    host_id: UUID | None
    host_name: str
    cluster_name: str
    hypervisor: str
    name: str
    power: str
    cpu_count: int
    memory_mib: int
    disks: tuple[FoundDisk, ...] = ()
    nics: tuple[FoundNic, ...] = ()


class AdoptDisk(Struct, frozen=True, kw_only=True):
    volume_id: UUID
    name: str
    device: int
    size_bytes: int
    path: str
    pool_id: UUID
    offering_id: UUID | None = None


class AdoptNic(Struct, frozen=True, kw_only=True):
    """The guest's own card; it keeps its MAC. Empty `ip4` takes the lowest free address.

    `is_back` says that it was ours before, under the same id: see `projections.macs.let_go_of`.
    """

    nic_id: UUID
    network_id: UUID
    mac: str
    ip4: str = ""
    is_back: bool = False


class AdoptVm(Struct, frozen=True, kw_only=True):
    """Take over a stranger that runs on `host_id` under the name `stranger`.

    With `forced` also one that has a MAC address of another guest.
    """

    vm_id: UUID
    account_id: UUID
    domain_id: UUID
    user_id: UUID | None
    zone_id: UUID
    host_id: UUID
    stranger: str
    template_id: UUID
    service_offering_id: UUID
    name: str
    display_name: str
    hypervisor: str
    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    disks: list[AdoptDisk]
    nics: list[AdoptNic] = field(default_factory=list)
    host_tags: list[str] = field(default_factory=list)
    details: dict[str, str] = field(default_factory=dict)
    forced: bool = False


class UnmanageVm(Struct, frozen=True, kw_only=True):
    """Let go of a guest, which runs on: nothing remains of it but its MAC addresses."""

    vm_id: UUID
