"""Deploy a virtual machine. Every choice is settled here; the saga only repeats it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from api.commands.vm_checks import (
    Size,
    check_host_name,
    check_offered,
    check_user_data,
    gib,
    known_key_pairs,
    refuse_later,
    root_disk_bytes,
    size_of,
    usable_template,
)
from api.commands.vm_networks import IpToNetwork, settle_nics
from api.declare import Bound, Caller, Free, Job, Length, Names, OneOf, Roles, Wire, command
from api.errors import Denied, InvalidValue, missing
from api.scope import owner_for
from api.views.vm import VmView
from engine.intents.vm import CreateVm, DeployVm, DiskAsk, NicAsk
from projections.disk_offering import disk_offerings
from projections.service_offering import service_offerings
from projections.template import Template
from projections.zone import zones

USER_DATA_LENGTH = 1_048_576
GIB_MAX = 65_536
LATER = (
    "affinity_group_ids",
    "affinity_group_names",
    "security_group_ids",
    "security_group_names",
    "mac_address",
    "ip6_address",
    "password",
    "user_data_id",
    "snapshot_id",
    "volume_id",
)
LONG = Wire(type="long")
NOT_YET = Free("refused: there is no such thing to name yet")


@dataclass(frozen=True, slots=True)
class Settled:
    """Who shall own the guest, what it is made from, and how large it is."""

    account_id: UUID
    domain_id: UUID
    template: Template
    size: Size


@command(
    "deployVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="VM.CREATE",
)
class DeployVirtualMachine:
    """Create a virtual machine and start it.

    The job succeeds once the guest runs. If any step fails, nothing of it remains.
    """

    zone_id: Annotated[UUID, "the zone to deploy into", Names("zone")]
    service_offering_id: Annotated[UUID, "what sizes the guest", Names("service_offering")]
    template_id: Annotated[
        UUID | None, "what its root disk is made from; always needed", Names("template")
    ] = None
    name: Annotated[str | None, "its host name; from its id if omitted"] = None
    display_name: Annotated[str | None, "a name for people; its host name if omitted"] = None
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None
    network_ids: Annotated[
        tuple[UUID, ...] | None, "networks to be on, the default one first", Names("network")
    ] = None
    ip_to_network_list: Annotated[
        tuple[IpToNetwork, ...] | None, "networks with the address wanted on each", Wire(type="map")
    ] = None
    ip_address: Annotated[str | None, "the address wanted on the default network"] = None
    root_disk_size: Annotated[int | None, "root disk in GiB", Bound(1, GIB_MAX), LONG] = None
    disk_offering_id: Annotated[
        UUID | None, "the offering of a data disk to be made too", Names("disk_offering")
    ] = None
    size: Annotated[int | None, "that disk in GiB", Bound(1, GIB_MAX), LONG] = None
    details: Annotated[
        dict[str, str] | None, "cpuNumber, cpuSpeed (MHz), memory (MiB) and other settings"
    ] = None
    hypervisor: Annotated[str | None, "must be the template's"] = None
    pod_id: Annotated[UUID | None, "where to run; root admins only", Names("pod")] = None
    cluster_id: Annotated[UUID | None, "where to run; root admins only", Names("cluster")] = None
    host_id: Annotated[UUID | None, "where to run; root admins only", Names("host")] = None
    user_data: Annotated[str | None, "base64 that the guest can read", Length(USER_DATA_LENGTH)] = (
        None
    )
    key_pair: Annotated[str | None, "an SSH key pair to let in"] = None
    key_pairs: Annotated[tuple[str, ...] | None, "SSH key pairs to let in"] = None
    group: Annotated[str | None, "the group to put it in"] = None
    boot_type: Annotated[str | None, "BIOS or UEFI", OneOf("BIOS", "UEFI")] = None
    start_vm: Annotated[bool | None, "false makes it without starting it"] = None
    display_vm: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    affinity_group_ids: Annotated[tuple[str, ...] | None, "not offered yet", NOT_YET] = None
    affinity_group_names: Annotated[tuple[str, ...] | None, "not offered yet"] = None
    security_group_ids: Annotated[tuple[str, ...] | None, "not offered yet", NOT_YET] = None
    security_group_names: Annotated[tuple[str, ...] | None, "not offered yet"] = None
    mac_address: Annotated[str | None, "not offered yet"] = None
    ip6_address: Annotated[str | None, "not offered yet"] = None
    password: Annotated[str | None, "not offered yet"] = None
    user_data_id: Annotated[UUID | None, "not offered yet", NOT_YET] = None
    snapshot_id: Annotated[UUID | None, "not offered yet", NOT_YET] = None
    volume_id: Annotated[UUID | None, "not offered yet", NOT_YET] = None

    async def run(self, caller: Caller) -> Job:
        refuse_later(self, LATER)
        if self.template_id is None:
            raise missing("deployVirtualMachine", "templateid")
        settled = self._settle(caller, self.template_id)
        vm_id = caller.new_id()
        name = self.name or f"VM-{vm_id}"
        if self.name:
            check_host_name(caller, settled.account_id, self.name)
        key_pairs = known_key_pairs(caller, settled.account_id, self._key_pairs())
        user_data = check_user_data(self.user_data)
        disks = self._disks(caller, vm_id, settled)
        nics = await settle_nics(self, caller, settled.account_id, settled.domain_id)
        ask = self._ask(caller, vm_id, name, settled, disks, nics, key_pairs, user_data)
        starts = self.start_vm is not False
        return await caller.submit(ask if starts else CreateVm(deploy=ask))

    def _settle(self, caller: Caller, template_id: UUID) -> Settled:
        """Check what is asked for against what there is, before anything is promised."""
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        zone = caller.cloud[zones][self.zone_id]
        if zone.allocation_state != "Enabled" and not caller.is_root:
            raise Denied(
                f"zone {zone.name} is {zone.allocation_state}: an administrator enables it"
            )
        if not caller.is_root and (self.pod_id or self.cluster_id or self.host_id):
            raise Denied("podid, clusterid and hostid are for root administrators: leave them out")
        template = usable_template(caller, template_id, zone)
        if self.hypervisor and self.hypervisor.lower() != template.hypervisor.lower():
            raise InvalidValue(
                f"template {template.name} is for {template.hypervisor}, not {self.hypervisor}"
            )
        offering = caller.cloud[service_offerings][self.service_offering_id]
        size = size_of(offering, self.details or {}, zone)
        return Settled(account_id, domain_id, template, size)

    def _key_pairs(self) -> list[str]:
        named = [self.key_pair] if self.key_pair else []
        return list(dict.fromkeys([*named, *(self.key_pairs or ())]))

    def _disks(self, caller: Caller, vm_id: UUID, settled: Settled) -> list[DiskAsk]:
        """The root disk, and the data disk if an offering was named for one."""
        cloud, short = caller.cloud, str(vm_id)[:8]
        size_bytes = root_disk_bytes(
            settled.template,
            cloud[service_offerings][self.service_offering_id],
            self.root_disk_size,
        )
        disks = [
            DiskAsk(
                volume_id=caller.new_id(), name=f"ROOT-{short}", device=0, size_bytes=size_bytes
            )
        ]
        if self.disk_offering_id is not None:
            offering = cloud[disk_offerings][self.disk_offering_id]
            check_offered(offering, "disk offering", cloud[zones][self.zone_id])
            disks.append(
                DiskAsk(
                    volume_id=caller.new_id(),
                    name=f"DATA-{short}",
                    device=1,
                    size_bytes=gib(offering, self.size),
                    offering_id=offering.id,
                )
            )
        return disks

    def _ask(
        self,
        caller: Caller,
        vm_id: UUID,
        name: str,
        settled: Settled,
        disks: list[DiskAsk],
        nics: list[NicAsk],
        key_pairs: list[str],
        user_data: str,
    ) -> DeployVm:
        return DeployVm(
            vm_id=vm_id,
            account_id=settled.account_id,
            domain_id=settled.domain_id,
            user_id=caller.user_id,
            zone_id=self.zone_id,
            template_id=settled.template.id,
            service_offering_id=self.service_offering_id,
            name=name,
            display_name=self.display_name or name,
            hypervisor=settled.template.hypervisor,
            cpu_count=settled.size.cpu_count,
            cpu_mhz=settled.size.cpu_mhz,
            memory_mib=settled.size.memory_mib,
            disks=disks,
            nics=nics,
            pod_id=self.pod_id,
            cluster_id=self.cluster_id,
            host_id=self.host_id,
            host_tags=settled.size.host_tags,
            user_data=user_data,
            key_pairs=key_pairs,
            group=self.group or "",
            details=self._details(),
            is_displayed=self.display_vm is not False,
        )

    def _details(self) -> dict[str, str]:
        boot = {"boot": "uefi"} if self.boot_type == "UEFI" else {}
        return {name: value or "" for name, value in (self.details or {}).items()} | boot
