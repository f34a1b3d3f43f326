"""Deploy a virtual machine. Every choice is settled here; the saga only repeats it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated
from uuid import UUID

import msgspec

from api.commands.security_group_use import settle_groups
from api.commands.vm_appliance import AsIs, CardToNetwork, Property, settle_appliance
from api.commands.vm_belongs import (
    LEASE_ACTIONS,
    Told,
    affinity_of,
    group_for,
    lease_until,
    public_keys_of,
    told_by,
)
from api.commands.vm_checks import (
    USER_DATA_LENGTH,
    Size,
    check_boot,
    check_host_name,
    check_password,
    known_key_pairs,
    planner_of,
    refuse_later,
    size_of,
)
from api.commands.vm_disks import (
    DiskDetails,
    PartOffering,
    Source,
    settle_disks,
    settle_source,
)
from api.commands.vm_networks import IpToNetwork, needs_network, settle_nics
from api.commands.vm_password import submit_with
from api.declare import Bound, Caller, Free, Job, Later, Length, Names, OneOf, Roles, Wire, command
from api.errors import Denied, InvalidValue
from api.scope import owner_for
from api.views.vm import VmView
from engine.intents.vm import (
    CreateVm,
    DeployVm,
    DiskAsk,
    NicAsk,
    password_entry,
    properties_entry,
)
from projections.service_offering import ServiceOffering, service_offerings
from projections.vm import vms
from projections.zone import zones

GIB_MAX = 65_536
# What belongs to other hypervisors, or to a part of the cloud that there is not.
LATER = ("ip6_address", "extra_config", "external_details")
LONG = Wire(type="long")
KEYBOARDS = OneOf("de", "de-ch", "es", "es-latam", "fi", "fr", "fr-be", "fr-ch", "is", "it", "jp",
                  "nl-be", "no", "pt", "uk", "us")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settled:
    """Who shall own the guest, what it is made from, how large it is, and what it is told."""

    account_id: UUID
    domain_id: UUID
    source: Source
    size: Size
    told: Told
    as_is: AsIs


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
        UUID | None,
        "the template of its root disk, or an ISO to install from",
        Names(("template", "iso")),
    ] = None
    volume_id: Annotated[
        UUID | None, "a volume to be its root disk, instead of a template",
        Names("volume", right="operate"),
    ] = None  # fmt: skip
    snapshot_id: Annotated[
        UUID | None, "a snapshot to make its root disk from, instead of a template",
        Names("snapshot"),
    ] = None  # fmt: skip
    name: Annotated[str | None, "its host name; from its id if omitted"] = None
    display_name: Annotated[str | None, "a name for people; its host name if omitted"] = None
    custom_id: Annotated[UUID | None, "its id; root admins only", Free("nothing has it yet")] = None
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
    ip6_address: Annotated[str | None, "not offered: networks give no IPv6 here"] = None
    mac_address: Annotated[str | None, "the MAC wanted on the default network"] = None
    dhcp_options_network_list: Annotated[
        tuple[dict[str, str], ...] | None, "options that DHCP tells it, by network"
    ] = None
    root_disk_size: Annotated[int | None, "root disk in GiB", Bound(1, GIB_MAX), LONG] = None
    override_disk_offering_id: Annotated[
        UUID | None, "the offering of the root disk, instead of the service offering's",
        Names("disk_offering"),
    ] = None  # fmt: skip
    disk_offering_id: Annotated[
        UUID | None, "a data disk to be made too; with an ISO, the root disk",
        Names("disk_offering"),
    ] = None  # fmt: skip
    size: Annotated[int | None, "that disk in GiB", Bound(1, GIB_MAX), LONG] = None
    data_disks_details: Annotated[
        tuple[DiskDetails, ...] | None, "several data disks to be made too", Wire(type="map")
    ] = None
    details: Annotated[
        dict[str, str] | None, "cpuNumber, cpuSpeed (MHz), memory (MiB) and other settings"
    ] = None
    hypervisor: Annotated[str | None, "must be the template's; needed with an ISO"] = None
    pod_id: Annotated[UUID | None, "where to run; root admins only", Names("pod")] = None
    cluster_id: Annotated[UUID | None, "where to run; root admins only", Names("cluster")] = None
    host_id: Annotated[UUID | None, "where to run; root admins only", Names("host")] = None
    deployment_planner: Annotated[
        str | None, "how to choose among hosts with room; root admins only"
    ] = None
    user_data: Annotated[str | None, "base64 that the guest can read", Length(USER_DATA_LENGTH)] = (
        None
    )
    user_data_id: Annotated[
        UUID | None, "registered user data, instead of userdata", Names("user_data")
    ] = None
    user_data_details: Annotated[
        dict[str, str] | None, "values for the parameters of its user data"
    ] = None
    key_pair: Annotated[str | None, "an SSH key pair to let in"] = None
    key_pairs: Annotated[tuple[str, ...] | None, "SSH key pairs to let in"] = None
    password: Annotated[
        str | None, "its password, if the template takes one; made up if omitted"
    ] = None
    group: Annotated[str | None, "the instance group to put it in; made if there is none"] = None
    affinity_group_ids: Annotated[
        tuple[UUID, ...] | None, "the affinity groups to be in", Names("affinity_group")
    ] = None
    affinity_group_names: Annotated[
        tuple[str, ...] | None, "those groups by their names, instead of their ids"
    ] = None
    security_group_ids: Annotated[
        tuple[UUID, ...] | None, "the security groups to be in", Names("security_group")
    ] = None
    security_group_names: Annotated[
        tuple[str, ...] | None, "those groups by their names, instead of their ids"
    ] = None
    lease_duration: Annotated[int | None, "the days until it ends by itself; -1 for never"] = None
    lease_expiry_action: Annotated[
        str | None, "how it ends: STOP or DESTROY", OneOf(*LEASE_ACTIONS)
    ] = None
    boot_type: Annotated[str | None, "BIOS or UEFI", OneOf("BIOS", "UEFI")] = None
    boot_mode: Annotated[str | None, "LEGACY or, with UEFI, SECURE", OneOf("LEGACY", "SECURE")] = (
        None
    )
    boot_into_setup: Annotated[bool | None, "stop in the firmware's setup; VMware only"] = None
    keyboard: Annotated[str | None, "the layout of its console's keyboard", KEYBOARDS] = None
    start_vm: Annotated[bool | None, "false makes it without starting it"] = None
    display_vm: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    extra_config: Annotated[str | None, "not offered: words for one hypervisor alone"] = None
    properties: Annotated[
        tuple[Property, ...] | None, "what an appliance is told", Wire(type="map")
    ] = None
    nic_network_list: Annotated[
        tuple[CardToNetwork, ...] | None, "the network of each card of an appliance",
        Wire(type="map"),
    ] = None  # fmt: skip
    external_details: Annotated[dict[str, str] | None, "not offered: an extension's own"] = None
    dynamic_scaling_enabled: Annotated[
        bool | None, "whether it can grow while it runs, if template and offering allow it"
    ] = None
    copy_image_tags: Annotated[
        bool | None, "not offered yet", Later("tags are set by createTags")
    ] = None
    data_disk_offering_list: Annotated[
        tuple[PartOffering, ...] | None, "the offering of each further disk of an appliance",
        Wire(type="map"),
    ] = None  # fmt: skip
    io_driver_policy: Annotated[str | None, "not offered yet", Later("the hypervisor chooses")] = (
        None
    )
    io_threads_enabled: Annotated[
        bool | None, "not offered yet", Later("the hypervisor chooses")
    ] = None
    nic_multiqueue_number: Annotated[
        int | None, "not offered yet", Later("the hypervisor chooses")
    ] = None
    nic_packed_virtqueues_enabled: Annotated[
        bool | None, "not offered yet", Later("the hypervisor chooses")
    ] = None

    async def run(self, caller: Caller) -> Job:
        refuse_later(self, LATER)
        settled = self._settle(caller)
        vm_id = self._id(caller)
        name = self.name or f"VM-{vm_id}"
        if self.name:
            check_host_name(caller, settled.account_id, self.name)
        if not caller.dry_run and self._makes_more(caller, settled):
            await caller.rehearse(self.run)
        disks = settle_disks(self, caller, vm_id, settled.source)
        on = self._on(settled)
        nics = await settle_nics(on, caller, settled.account_id, settled.domain_id)
        group_id = await group_for(caller, settled.account_id, settled.domain_id, self.group)
        networks = [nic.network_id for nic in nics]
        guards = await settle_groups(self, caller, settled.account_id, settled.domain_id, networks)
        ask = self._ask(caller, vm_id, name, settled, disks, nics, guards, group_id)
        intent = ask if self.start_vm is not False else CreateVm(deploy=ask)
        return await submit_with(caller, self._secrets(vm_id, settled), intent)

    def _on(self, settled: Settled) -> DeployVirtualMachine:
        """The same with the networks of an appliance's cards."""
        networks = settled.as_is.network_ids
        return self if networks == self.network_ids else replace(self, network_ids=networks)

    def _secrets(self, vm_id: UUID, settled: Settled) -> dict[UUID, str]:
        """What is to be sealed for it, by its place in the vault."""
        secrets = {} if not self.password else {password_entry(vm_id): self.password}
        if settled.as_is.secrets:
            told = msgspec.json.encode(settled.as_is.secrets).decode()
            secrets[properties_entry(vm_id)] = told
        return secrets

    def _makes_more(self, caller: Caller, settled: Settled) -> bool:
        """Are a network or a group made for it, which would be left if the guest is refused?"""
        owner = settled.account_id, settled.domain_id
        on = self._on(settled)
        return bool(self.group) or needs_network(on, caller.cloud, *owner)

    def _settle(self, caller: Caller) -> Settled:
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
        source = settle_source(self, caller, zone)
        check_boot(source.hypervisor, self.boot_type, self.boot_mode, self.boot_into_setup)
        if self.password:
            check_password(self.password, source.image)
        offering = caller.cloud[service_offerings][self.service_offering_id]
        size = size_of(offering, self.details or {}, zone)
        told = told_by(
            caller, self.user_data, self.user_data_id, self.user_data_details, source.image
        )
        return Settled(account_id, domain_id, source, size, told, settle_appliance(self, source))

    def _id(self, caller: Caller) -> UUID:
        if self.custom_id is None:
            return caller.new_id()
        if not caller.is_root:
            raise Denied("customid is for root administrators: leave it out")
        if self.custom_id in caller.cloud[vms]:
            raise InvalidValue(f"customid {self.custom_id} is another virtual machine's")
        return self.custom_id

    def _lease(self, caller: Caller, offering: ServiceOffering) -> tuple[int, str]:
        """When it ends and how: as asked, else as its offering says."""
        if self.lease_duration is None and offering.lease_days is not None:
            action = self.lease_expiry_action or offering.lease_action
            return lease_until(caller.now_ms, offering.lease_days, action)
        return lease_until(caller.now_ms, self.lease_duration, self.lease_expiry_action)

    def _boot(self, settled: Settled) -> str:
        """The firmware that was asked for, else what an appliance needs."""
        asked = check_boot(settled.source.hypervisor, self.boot_type, self.boot_mode, None)
        return asked if self.boot_type else settled.as_is.firmware or asked

    def _key_pairs(self) -> list[str]:
        named = [self.key_pair] if self.key_pair else []
        return list(dict.fromkeys([*named, *(self.key_pairs or ())]))

    def _ask(
        self,
        caller: Caller,
        vm_id: UUID,
        name: str,
        settled: Settled,
        disks: list[DiskAsk],
        nics: list[NicAsk],
        security_group_ids: list[UUID],
        group_id: UUID | None,
    ) -> DeployVm:
        account_id, source = settled.account_id, settled.source
        key_pairs = known_key_pairs(caller, account_id, self._key_pairs())
        offering = caller.cloud[service_offerings][self.service_offering_id]
        ends_at_ms, action = self._lease(caller, offering)
        return DeployVm(
            vm_id=vm_id,
            account_id=account_id,
            domain_id=settled.domain_id,
            user_id=caller.user_id,
            zone_id=self.zone_id,
            template_id=source.image.id if source.image else None,
            service_offering_id=self.service_offering_id,
            name=name,
            display_name=self.display_name or name,
            hypervisor=source.hypervisor,
            cpu_count=settled.size.cpu_count,
            cpu_mhz=settled.size.cpu_mhz,
            memory_mib=settled.size.memory_mib,
            disks=disks,
            nics=nics,
            pod_id=self.pod_id,
            cluster_id=self.cluster_id,
            host_id=self.host_id,
            planner=planner_of(caller, self.deployment_planner) or offering.deployment_planner,
            host_tags=settled.size.host_tags,
            user_data=settled.told.content,
            user_data_id=settled.told.user_data_id,
            user_data_details=settled.told.details,
            key_pairs=key_pairs,
            public_keys=public_keys_of(caller, account_id, key_pairs),
            affinity_group_ids=affinity_of(
                caller, account_id, self.affinity_group_ids, self.affinity_group_names
            ),
            security_group_ids=security_group_ids,
            group_id=group_id,
            iso_id=source.iso.id if source.iso else None,
            boot=self._boot(settled),
            keyboard=self.keyboard or "",
            password_due=source.takes_password,
            lease_ends_at_ms=ends_at_ms,
            lease_action=action,
            details={name: value or "" for name, value in (self.details or {}).items()},
            is_displayed=self.display_vm is not False,
            is_scalable=False if self.dynamic_scaling_enabled is False else None,
            appliance=settled.as_is.deployed,
        )
