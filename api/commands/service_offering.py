"""Commands about service offerings."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.caller import Caller
from api.commands import state_words
from api.commands.disk_offering import CACHES, Rates
from api.commands.offering_checks import (
    GIB,
    OfNobody,
    for_domains,
    given,
    in_zone,
    moved,
    shown,
    split,
)
from api.commands.vm_belongs import LEASE_ACTIONS, lease_until
from api.commands.vm_checks import PLANNERS
from api.declare import Bound, Free, Later, Length, Names, OneOf, Roles, Success, command
from api.errors import InvalidValue
from api.lists import NONE_IS, Filter, list_command
from api.views.service_offering import ServiceOfferingView
from engine.intents.offering import DeleteOffering
from engine.intents.record import CreateRecord, UpdateRecord
from projections.service_offering import ServiceOffering, service_offerings
from projections.template import templates
from projections.vm import vms

STORAGE, THIN = OneOf("shared", "local"), OneOf("thin", "sparse", "fat")
STATES = OneOf("Active", "Inactive")
MACHINES = OneOf("domainrouter", "consoleproxy", "secondarystoragevm", "internalloadbalancervm")


@command(
    "createServiceOffering",
    returns=ServiceOfferingView,
    key="serviceoffering",
    allow="ARD",
    action="SERVICE.OFFERING.CREATE",
)
class CreateServiceOffering(Rates):
    """Offer a size of machine, or one whose cores and memory who deploys says."""

    name: Annotated[str, "its name"]
    display_text: Annotated[str | None, "what it is; its name if not given", Length(4096)] = None
    cpu_number: Annotated[int | None, "how many cores", Bound(1, 1024)] = None
    cpu_speed: Annotated[int | None, "the speed of a core in MHz", Bound(1, 1_000_000)] = None
    memory: Annotated[int | None, "memory in MiB", Bound(32, 2**30)] = None
    customized: Annotated[bool | None, "whether who deploys says the size"] = None
    min_cpu_number: Annotated[int | None, "fewest cores of a customized one", Bound(1)] = None
    max_cpu_number: Annotated[int | None, "most cores of a customized one", Bound(1)] = None
    min_memory: Annotated[int | None, "least memory of a customized one, in MiB", Bound(1)] = None
    max_memory: Annotated[int | None, "most memory of a customized one, in MiB", Bound(1)] = None
    host_tags: Annotated[str | None, "tags that its hosts must have, with commas"] = None
    tags: Annotated[str | None, "tags that its pools must have, with commas"] = None
    storage_type: Annotated[str | None, "shared or local", STORAGE] = None
    provisioning_type: Annotated[str | None, "thin, sparse or fat", THIN] = None
    root_disk_size: Annotated[int | None, "size of the root disk in GiB", Bound(1, 65_536)] = None
    cache_mode: Annotated[str | None, "how disks are cached", CACHES] = None
    offer_ha: Annotated[bool | None, "start machines elsewhere if their host fails"] = None
    limit_cpu_use: Annotated[bool | None, "a core is never faster than it says"] = None
    is_volatile: Annotated[bool | None, "make the root disk anew at each start"] = None
    is_system: Annotated[bool | None, "for the cloud's own machines", Roles("Admin")] = None
    system_vm_type: Annotated[str | None, "for which of those machines", MACHINES] = None
    network_rate: Annotated[int | None, "Mbit/s of a network card", Bound(0)] = None
    deployment_planner: Annotated[str | None, "how hosts are chosen", OneOf(*PLANNERS)] = None
    dynamic_scaling_enabled: Annotated[bool | None, "running machines can be resized"] = None
    service_offering_details: Annotated[dict[str, str] | None, "its settings"] = None
    lease_duration: Annotated[
        int | None, "the days until its machines end by themselves; -1 for never"
    ] = None
    lease_expiry_action: Annotated[
        str | None, "how they end: STOP or DESTROY", OneOf(*LEASE_ACTIONS)
    ] = None
    domain_id: Annotated[
        tuple[UUID, ...] | None, "the domains that it is for", Names("domain", right="operate")
    ] = None
    zone_id: Annotated[tuple[UUID, ...] | None, "the zones that it is for", Names("zone")] = None
    external_details: Annotated[
        dict[str, str] | None, "not offered yet", Later("there are no extensions")
    ] = None
    customized_iops: Annotated[
        bool | None, "not offered yet", Later("say it in a disk offering")
    ] = None
    min_iops: Annotated[int | None, "not offered yet", Later("say it in a disk offering")] = None
    max_iops: Annotated[int | None, "not offered yet", Later("say it in a disk offering")] = None
    hypervisor_snapshot_reserve: Annotated[
        int | None, "not offered yet", Later("say it in a disk offering")
    ] = None
    storage_policy: Annotated[
        UUID | None, "not offered yet", Later("say it in a disk offering")
    ] = None
    disk_offering_id: Annotated[
        UUID | None,
        "not offered yet",
        Later("a service offering says itself what root disks are like"),
    ] = None
    disk_offering_strictness: Annotated[
        bool | None,
        "not offered yet",
        Later("a service offering says itself what root disks are like"),
    ] = None
    encrypt_root: Annotated[bool | None, "not offered yet", Later("disks are not encrypted")] = None
    gpu_count: Annotated[int | None, "not offered yet", Later("there are no GPUs")] = None
    gpu_display: Annotated[bool | None, "not offered yet", Later("there are no GPUs")] = None
    vgpu_profile_id: Annotated[UUID | None, "not offered yet", Later("there are no GPUs")] = None
    purge_resources: Annotated[
        bool | None, "not offered yet", Later("rows of what is gone are kept by the log")
    ] = None

    async def run(self, caller: Caller) -> ServiceOffering:
        row_id = caller.new_id()
        self._check_bounds()
        fields: dict[str, Any] = {
            "name": self.name,
            "display_text": self.display_text or self.name,
            "is_customized": self._is_customized(),
            "host_tags": split(self.host_tags),
            "storage_tags": split(self.tags),
            "details": self._details(),
            "rates": self.rates(),
            **self._lease(caller),
            "domain_ids": for_domains(caller, self.domain_id),
            "zone_ids": list(self.zone_id or ()),
        }
        if self.root_disk_size:
            fields["root_disk_bytes"] = self.root_disk_size * GIB
        fields |= given(
            self,
            cpu_count="cpu_number",
            cpu_mhz="cpu_speed",
            memory_mib="memory",
            storage_type="storage_type",
            provisioning_type="provisioning_type",
            cache_mode="cache_mode",
            offer_ha="offer_ha",
            limit_cpu_use="limit_cpu_use",
            is_volatile="is_volatile",
            is_system="is_system",
            system_vm_type="system_vm_type",
            network_rate_mbps="network_rate",
            deployment_planner="deployment_planner",
            dynamic_scaling_enabled="dynamic_scaling_enabled",
        )
        await caller.decide(CreateRecord(kind="service_offering", id=row_id, fields=fields))
        return caller.cloud[service_offerings][row_id]

    def _is_customized(self) -> bool:
        """Cores, speed and memory are all said, or cores and memory are left to who deploys."""
        sizes = {"cpunumber": self.cpu_number, "cpuspeed": self.cpu_speed, "memory": self.memory}
        lacking = [name for name, value in sizes.items() if value is None]
        if self.customized is False and lacking:
            raise InvalidValue(
                "an offering that is not customized needs cpunumber, cpuspeed and memory"
            )
        bounded = any((self.min_cpu_number, self.max_cpu_number, self.min_memory, self.max_memory))
        if self.customized is not True and not lacking:
            if bounded:
                raise InvalidValue(
                    "mincpunumber, maxcpunumber, minmemory and maxmemory are for customized "
                    "offerings: leave them out, or cpunumber and memory"
                )
            return False
        fixed = self.cpu_number is not None or self.memory is not None
        if fixed and self.customized:
            raise InvalidValue(
                "whoever deploys says cores and memory of a customized offering: leave cpunumber "
                "and memory out, and say mincpunumber, maxcpunumber, minmemory and maxmemory"
            )
        asked = self.customized or bounded
        if fixed or (self.cpu_speed is not None and not asked):
            raise InvalidValue(
                f"cpunumber, cpuspeed and memory are given together: give {' and '.join(lacking)} "
                "too, or leave cpunumber and memory out and say customized=true"
            )
        return True

    def _check_bounds(self) -> None:
        """The least is not more than the most."""
        for name, least, most in (
            ("cpunumber", self.min_cpu_number, self.max_cpu_number),
            ("memory", self.min_memory, self.max_memory),
        ):
            if least is not None and most is not None and least > most:
                raise InvalidValue(f"min{name} {least} is more than max{name} {most}: swap them")

    def _lease(self, caller: Caller) -> dict[str, Any]:
        """Days and action, checked as a deploy checks its own."""
        ends_at_ms, action = lease_until(
            caller.now_ms, self.lease_duration, self.lease_expiry_action
        )
        return {"lease_days": self.lease_duration, "lease_action": action} if ends_at_ms else {}

    def _details(self) -> dict[str, str]:
        """The bounds of a customized offering are settings of it, as clients read them."""
        bounds = {
            "mincpunumber": self.min_cpu_number,
            "maxcpunumber": self.max_cpu_number,
            "minmemory": self.min_memory,
            "maxmemory": self.max_memory,
        }
        limits = {name: str(value) for name, value in bounds.items() if value is not None}
        return dict(self.service_offering_details or {}) | limits


@command(
    "updateServiceOffering",
    returns=ServiceOfferingView,
    key="serviceoffering",
    allow="ARD",
    action="SERVICE.OFFERING.EDIT",
)
class UpdateServiceOffering:
    """Rename an offering, or change to whom it is offered; its size stays."""

    id: Annotated[UUID, "the offering", Names("service_offering", right="operate")]
    name: Annotated[str | None, "its new name"] = None
    display_text: Annotated[str | None, "what it is", Length(4096)] = None
    host_tags: Annotated[str | None, "tags that its hosts must have, with commas"] = None
    storage_tags: Annotated[str | None, "tags that its pools must have, with commas"] = None
    state: Annotated[str | None, "Active or Inactive", STATES] = None
    sort_key: Annotated[int | None, "where it stands in lists"] = None
    domain_id: Annotated[str | None, "ids with commas, or public", Free("run() checks each")] = None
    zone_id: Annotated[str | None, "ids with commas, or all", Free("run() checks each")] = None
    external_details: Annotated[
        dict[str, str] | None, "not offered yet", Later("there are no extensions")
    ] = None
    cleanup_external_details: Annotated[
        bool | None, "not offered yet", Later("there are no extensions")
    ] = None
    purge_resources: Annotated[
        bool | None, "not offered yet", Later("rows of what is gone are kept by the log")
    ] = None

    async def run(self, caller: Caller) -> ServiceOffering:
        named = ("name", "display_text", "state", "sort_key")
        fields = given(self, **dict(zip(named, named, strict=True)))
        fields |= moved(caller, domain_id=self.domain_id, zone_id=self.zone_id)
        if self.host_tags is not None:
            fields["host_tags"] = split(self.host_tags)
        if self.storage_tags is not None:
            fields["storage_tags"] = split(self.storage_tags)
        await caller.decide(UpdateRecord(kind="service_offering", id=self.id, fields=fields))
        return caller.cloud[service_offerings][self.id]


@command("deleteServiceOffering", returns=Success, allow="ARD", action="SERVICE.OFFERING.DELETE")
class DeleteServiceOffering:
    """Delete an offering; machines that have it keep it."""

    id: Annotated[UUID, "the offering", Names("service_offering", right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(DeleteOffering(kind="service_offering", id=self.id))


@list_command(
    "listServiceOfferings",
    view=ServiceOfferingView,
    table=service_offerings,
    key="serviceoffering",
    scope="catalogue",
)
class ListServiceOfferings(OfNobody):
    """List the sizes that machines can have."""

    zone_id: Annotated[
        UUID | None, "those of this zone", Names("zone", right="see"), Filter(test=in_zone)
    ] = None
    cpu_number: Annotated[int | None, "those with this many cores", Filter("cpu_count")] = None
    cpu_speed: Annotated[int | None, "those of this speed in MHz", Filter("cpu_mhz")] = None
    memory: Annotated[int | None, "those with this memory in MiB", Filter("memory_mib")] = None
    storage_type: Annotated[str | None, "shared or local"] = None
    is_system: Annotated[bool | None, "those for the cloud's own machines", Filter()] = None
    system_vm_type: Annotated[str | None, "those for these machines"] = None
    state: Annotated[str | None, "Active, Inactive or all", state_words.OFFERING, Filter()] = None
    virtual_machine_id: Annotated[
        UUID | None, "those that this machine could have", Names("vm", right="see"), Filter()
    ] = None
    encrypt_root: Annotated[bool | None, "with encrypted root disks: none", NONE_IS] = None
    gpu_enabled: Annotated[bool | None, "with GPUs: none", NONE_IS] = None
    vgpu_profile_id: Annotated[UUID | None, "not offered yet", Later("there are no GPUs")] = None
    template_id: Annotated[
        UUID | None, "those that suit this template", Names("template", right="see"), Filter()
    ] = None

    def visible(self, row: ServiceOffering, caller: Caller) -> bool:
        """Of the cloud's own machines only where they are asked for."""
        if row.is_system is not bool(self.is_system):
            return False
        vm = caller.cloud[vms].get(self.virtual_machine_id)
        if vm is not None and vm.service_offering_id == row.id:
            return False
        template = caller.cloud[templates].get(self.template_id)
        if template is not None and 0 < (row.root_disk_bytes or 0) < template.part_bytes(0):
            return False
        return shown(row, self.state, getattr(self, "id", None) is not None)
