"""Guests that no controller made: see them, import them, and let go of what was imported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from api.commands.vm_checks import Size, check_host_name, size_of
from api.commands.vm_networks import check_network
from api.declare import Bound, Caller, Free, Job, Names, Page, Roles, Wire, command, entry
from api.errors import InvalidValue, ParamError
from api.lists import cut
from api.scope import owner_for
from api.views.unmanaged_instance import UnmanagedInstanceView, UnmanagedView
from api.views.vm import VmView
from engine.intents.adopt import AdoptDisk, AdoptNic, AdoptVm, FoundGuest, UnmanageVm
from projections.host import Host, hosts
from projections.macs import let_go_of
from projections.network import networks
from projections.service_offering import ServiceOffering, service_offerings
from projections.template import Template, templates
from projections.zone import zones

# The CD-ROM's device is never a disk's.
CDROM_DEVICE = 3
LABEL = Free("a part of the guest by the name that its host gives it; no row bears it")


@command(
    "listUnmanagedInstances",
    returns=UnmanagedInstanceView,
    key="unmanagedinstance",
    shape="list",
    allow="A",
    since="4.14.0",
)
class ListUnmanagedInstances:
    """List the guests on the hosts of a cluster that no controller made."""

    cluster_id: Annotated[UUID, "the cluster", Names("cluster", right="see")]
    name: Annotated[str | None, "the one of this name"] = None
    keyword: Annotated[str | None, "text that its name contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        if caller.cloud is not caller.engine.cloud:
            raise ParamError("what hosts run is seen now, and not of the past: leave asof out")
        word = (self.keyword or "").casefold()
        found = [
            one
            for one in await caller.engine.strangers(self.cluster_id)
            if self.name in (None, one.name) and word in one.name.casefold()
        ]
        return Page(len(found), cut(found, self.page, self.page_size, caller))


@entry
class NicToNetwork:
    """A card, and the network of the cloud that it is on."""

    nic: Annotated[str, "the card's id as listUnmanagedInstances has it", LABEL]
    network: Annotated[UUID, "the network", Names("network")]


@entry
class NicToIp:
    """A card, and its address."""

    nic: Annotated[str, "the card's id as listUnmanagedInstances has it", LABEL]
    ip4_address: Annotated[str | None, "its IPv4 address; auto for the lowest free one"] = None


@entry
class DiskToOffering:
    """A data disk, and the disk offering that it shall be of."""

    disk: Annotated[str, "the disk's id as listUnmanagedInstances has it", LABEL]
    disk_offering: Annotated[UUID, "the disk offering", Names("disk_offering")]


@dataclass(frozen=True, slots=True)
class Owner:
    account_id: UUID
    domain_id: UUID


@command(
    "importUnmanagedInstance",
    returns=VmView,
    key="virtualmachine",
    allow="A",
    is_async=True,
    since="4.14.0",
    action="VM.IMPORT",
)
class ImportUnmanagedInstance:
    """Take over a guest that runs and that no controller made. It runs on meanwhile.

    Its disks, cards and size are checked first; dryrun=true does only that. It keeps its disks,
    its MAC addresses and its name; its addresses and its room are promised to it.
    """

    cluster_id: Annotated[UUID, "the cluster that it runs in", Names("cluster")]
    name: Annotated[str, "its name on its host"]
    service_offering_id: Annotated[UUID, "an offering of its size", Names("service_offering")]
    template_id: Annotated[
        UUID | None, "what it may be restored from; a built-in one if omitted", Names("template")
    ] = None
    display_name: Annotated[str | None, "a name for people; its host name if omitted"] = None
    host_name: Annotated[str | None, "its host name; its own name if omitted"] = None
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None
    nic_network_list: Annotated[
        tuple[NicToNetwork, ...] | None, "the network of each card", Wire(type="map")
    ] = None
    nic_ip_address_list: Annotated[
        tuple[NicToIp, ...] | None, "the address of each card", Wire(type="map")
    ] = None
    data_disk_offering_list: Annotated[
        tuple[DiskToOffering, ...] | None, "the offering of each data disk", Wire(type="map")
    ] = None
    details: Annotated[dict[str, str] | None, "cpuSpeed (MHz) of a custom offering"] = None
    forced: Annotated[bool | None, "also if another guest has one of its MAC addresses"] = None
    migrate_allowed: Annotated[bool | None, "ignored: it stays where it is", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        found = await self._found(caller)
        host = caller.cloud[hosts][found.host_id]
        owner = Owner(
            *owner_for(
                caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
            )
        )
        offering = caller.cloud[service_offerings][self.service_offering_id]
        size = self._size(caller, found, host, offering)
        name = self.host_name or found.name
        check_host_name(caller, owner.account_id, name)
        ask = AdoptVm(
            vm_id=caller.new_id(),
            account_id=owner.account_id,
            domain_id=owner.domain_id,
            user_id=caller.user_id,
            zone_id=host.zone_id,
            host_id=host.id,
            stranger=found.name,
            template_id=self._template(caller, host).id,
            service_offering_id=offering.id,
            name=name,
            display_name=self.display_name or name,
            hypervisor=host.hypervisor,
            cpu_count=size.cpu_count,
            cpu_mhz=size.cpu_mhz,
            memory_mib=size.memory_mib,
            disks=self._disks(caller, found),
            nics=self._nics(caller, found, host, owner),
            host_tags=size.host_tags,
            details={one: value or "" for one, value in (self.details or {}).items()},
            forced=bool(self.forced),
        )
        return await caller.submit(ask)

    async def _found(self, caller: Caller) -> FoundGuest:
        for one in await caller.engine.strangers(self.cluster_id):
            if one.name == self.name:
                if one.power != "running":
                    raise InvalidValue(f"guest {one.name} is {one.power}: start it on its host")
                return one
        raise InvalidValue(
            f"no host of this cluster runs a guest {self.name} that is nobody's: "
            "see listUnmanagedInstances"
        )

    def _size(
        self, caller: Caller, found: FoundGuest, host: Host, offering: ServiceOffering
    ) -> Size:
        """The offering's size, which must be the guest's; a custom one takes the guest's."""
        said = {name.lower() for name in self.details or {}}
        own = {"cpuNumber": str(found.cpu_count), "memory": str(found.memory_mib)}
        fixed = {"cpuNumber": offering.cpu_count, "memory": offering.memory_mib}
        details = {**(self.details or {})} | {
            name: value
            for name, value in own.items()
            if fixed[name] is None and name.lower() not in said
        }
        size = size_of(offering, details, caller.cloud[zones][host.zone_id])
        if (size.cpu_count, size.memory_mib) != (found.cpu_count, found.memory_mib):
            raise InvalidValue(
                f"guest {found.name} has {found.cpu_count} cores and {found.memory_mib} MiB, "
                f"offering {offering.name} {size.cpu_count} and {size.memory_mib}: choose one "
                "that fits, or a custom one"
            )
        return size

    def _template(self, caller: Caller, host: Host) -> Template:
        if self.template_id is not None:
            return caller.cloud[templates][self.template_id]
        for one in caller.cloud[templates]:
            fits = one.hypervisor.lower() == host.hypervisor.lower()
            if fits and one.template_type == "BUILTIN":
                return one
        raise InvalidValue(f"there is no built-in template for {host.hypervisor}: say templateid")

    def _disks(self, caller: Caller, found: FoundGuest) -> list[AdoptDisk]:
        offerings = {one.disk: one.disk_offering for one in self.data_disk_offering_list or ()}
        _only_known(offerings, [disk.label for disk in found.disks[1:]], "data disk")
        if not found.disks:
            raise InvalidValue(f"guest {found.name} has no disk: there is nothing to keep of it")
        made = []
        for place, disk in enumerate(found.disks):
            if disk.pool_id is None:
                raise InvalidValue(
                    f"disk {disk.label} of guest {found.name} lies at {disk.path}, in no storage "
                    "pool of its host: move it into one"
                )
            if disk.convert_to:
                raise InvalidValue(
                    f"disk {disk.label} of guest {found.name} is {disk.image_format}: "
                    f"convert it to {disk.convert_to}"
                )
            made.append(
                AdoptDisk(
                    volume_id=caller.new_id(),
                    name=f"{'DATA' if place else 'ROOT'}-{found.name}-{disk.label}",
                    device=place if place < CDROM_DEVICE else place + 1,
                    size_bytes=disk.size_bytes,
                    path=disk.path,
                    pool_id=disk.pool_id,
                    offering_id=offerings.get(disk.label),
                )
            )
        return made

    def _nics(self, caller: Caller, found: FoundGuest, host: Host, owner: Owner) -> list[AdoptNic]:
        on = {one.nic.lower(): one.network for one in self.nic_network_list or ()}
        ips = {one.nic.lower(): one.ip4_address or "" for one in self.nic_ip_address_list or ()}
        macs = [nic.mac.lower() for nic in found.nics]
        _only_known([*on, *ips], macs, "network card")
        cloud, made = caller.cloud, []
        for mac in macs:
            if mac not in on:
                raise InvalidValue(f"say in nicnetworklist which network card {mac} is on")
            ip = "" if ips.get(mac, "auto").lower() == "auto" else ips[mac]
            network = cloud[networks][on[mac]]
            check_network(network, ip, host.zone_id, cloud, owner.account_id, owner.domain_id)
            back = let_go_of(cloud, host.zone_id, mac)
            made.append(
                AdoptNic(
                    nic_id=back or caller.new_id(),
                    network_id=network.id,
                    mac=mac,
                    ip4=ip,
                    is_back=back is not None,
                )
            )
        return made


def _only_known(named: Iterable[str], known: list[str], what: str) -> None:
    strange = [one for one in named if one not in known]
    if strange:
        raise InvalidValue(f"there is no {what} {strange[0]}: there are {', '.join(known) or '-'}")


@command(
    "unmanageVirtualMachine",
    returns=UnmanagedView,
    key="unmanagevirtualmachineresponse",
    allow="A",
    is_async=True,
    since="4.15.0",
    action="VM.UNMANAGE",
)
class UnmanageVirtualMachine:
    """Let go of a running virtual machine: it runs on with its disks, and is nobody's."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    host_id: Annotated[UUID | None, "not offered: a guest runs where it is", Names("host")] = None
    forced: Annotated[bool | None, "ignored: there is nothing to force"] = None

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(UnmanageVm(vm_id=self.id))
