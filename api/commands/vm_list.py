"""How virtual machines are listed: by what, for whom, and with how much of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

from api.commands.vm_checks import open_to_users, refuse_later
from api.declare import Caller, Free, Later, Moment, Names, OneOf, Roles, part
from api.lists import NONE_IS, CountOnly, Displayed, Filter, Test, WithIcons, list_command
from api.views.vm import DETAILS, VmMetricsView, VmView, trimmed
from api.views.vm_vitals import VmHistoryView
from projections.host import hosts
from projections.network import networks
from projections.service_offering import service_offerings
from projections.template import templates
from projections.vm import Vm, VmState, vms
from projections.volume import volumes

PRESENT = "Present"
GONE = (VmState.DESTROYED, VmState.EXPUNGING)
# Those of ours, and the others that clients of CloudStack ask for, in which no guest ever is.
STATES = (*(str(state) for state in VmState), "Error", "Shutdown", "Unknown")


def _is_there(vm: Vm) -> bool:
    return vm.state not in GONE


def _while_there(caller: Caller) -> Iterator[Test]:
    """What a user sees of guests that are gone, by the settings of its account and projects.

    They are asked before any row is: mostly the row alone decides then, and what is found is kept.
    """
    who, setting = caller.identity, "allow.user.view.destroyed.vm"
    accounts = {who.account_id, *who.projects}
    shut = {one for one in accounts if not open_to_users(caller, setting, one)}
    if shut == accounts:
        yield _is_there
    elif shut:
        yield lambda vm: vm.state not in GONE or vm.account_id not in shut


@part
class VmFilters(Displayed):
    """What virtual machines are listed by."""

    state: Annotated[
        str | None, "in this state; Present for all but Destroyed and Expunging",
        OneOf(*STATES, PRESENT), Filter("state", exact=True),
    ] = None  # fmt: skip
    zone_id: Annotated[UUID | None, "in this zone", Names("zone", right="see")] = None
    pod_id: Annotated[UUID | None, "in this pod", Names("pod", right="see"), Filter()] = None
    cluster_id: Annotated[
        UUID | None, "in this cluster", Names("cluster", right="see"), Filter()
    ] = None
    host_id: Annotated[UUID | None, "on this host", Names("host", right="see")] = None
    storage_id: Annotated[
        UUID | None, "with a disk on it", Names("storage_pool", right="see"), Filter()
    ] = None
    template_id: Annotated[UUID | None, "made from it", Names("template", right="see")] = None
    service_offering_id: Annotated[
        UUID | None, "sized by it", Names("service_offering", right="see")
    ] = None
    network_id: Annotated[
        UUID | None,
        "with a card on this network",
        Names("network", right="see"),
        Filter(test=lambda vm, wanted: any(nic.network_id == wanted for nic in vm.nics)),
    ] = None
    user_id: Annotated[UUID | None, "deployed by this user", Names("user", right="see")] = None
    hypervisor: Annotated[str | None, "run by this hypervisor"] = None
    key_pair: Annotated[
        str | None,
        "that let this key pair in",
        Filter(test=lambda vm, wanted: wanted in vm.key_pairs),
    ] = None
    ha_enable: Annotated[bool | None, "started again elsewhere, or not", Filter()] = None
    display_vm: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None
    details: Annotated[
        tuple[str, ...] | None, "which groups of fields are wanted; all if omitted",
        OneOf(*DETAILS), Filter(),
    ] = None  # fmt: skip
    affinity_group_id: Annotated[
        UUID | None,
        "in this affinity group",
        Names("affinity_group", right="see"),
        Filter(test=lambda vm, wanted: wanted in vm.affinity_group_ids),
    ] = None
    security_group_id: Annotated[
        UUID | None,
        "in this security group",
        Names("security_group", right="see"),
        Filter(test=lambda vm, wanted: wanted in vm.security_group_ids),
    ] = None
    group_id: Annotated[
        UUID | None, "in this instance group", Names("instance_group", right="see")
    ] = None
    user_data_id: Annotated[
        UUID | None, "that were given this user data", Names("user_data", right="see")
    ] = None
    iso_id: Annotated[UUID | None, "with this ISO in the drive", Names("iso", right="see")] = None
    vpc_id: Annotated[UUID | None, "on a tier of this VPC", Names("vpc", right="see"), Filter()] = (
        None
    )
    for_virtual_network: Annotated[bool | None, "on an isolated network, or on none", Filter()] = (
        None
    )
    arch: Annotated[str | None, "of this processor architecture", Filter()] = None
    leased: Annotated[
        bool | None,
        "with a lease, or without",
        Filter(test=lambda vm, wanted: bool(vm.lease_ends_at_ms) == wanted),
    ] = None
    backup_offering_id: Annotated[
        UUID | None, "not offered: there are no backups", Free("refused"), Filter()
    ] = None
    user_data: Annotated[bool | None, "with their user data", Filter()] = None
    accumulate: Annotated[
        bool | None, "not offered yet", Later("measurements are always the latest")
    ] = None
    auto_scale_vm_group_id: Annotated[
        UUID | None, "not offered yet", Later("there are no autoscale groups")
    ] = None
    extension_id: Annotated[UUID | None, "not offered yet", Later("there are no extensions")] = None
    gpu_enabled: Annotated[bool | None, "with GPUs: none has", NONE_IS] = None
    is_vnf: Annotated[bool | None, "virtual network functions: none is", NONE_IS] = None

    def asked(self) -> list[tuple[Filter, Any]]:
        """`Present` is no state of any guest."""
        found = super().asked()  # type: ignore[misc]
        return [one for one in found if one[1] != PRESENT]

    def tests(self, caller: Caller) -> Iterator[Test]:
        """What is asked for, and what only administrators see unasked."""
        refuse_later(self, ("backup_offering_id",))
        yield from super().tests(caller)
        if self.state == PRESENT:
            yield _is_there
        elif self.state is None and not self._named() and caller.role_type == "User":
            yield from _while_there(caller)
        placed = (self.pod_id, self.cluster_id, self.storage_id, self.arch, self.ha_enable)
        if any(one is not None for one in placed):
            yield lambda vm: self._placed(vm, caller)
        if self.vpc_id is not None or self.for_virtual_network is not None:
            yield lambda vm: self._networked(vm, caller)

    def _named(self) -> bool:
        """Were guests asked for by their ids?"""
        asked: Any = self
        return asked.id is not None or bool(asked.ids)

    def shown_alike(self) -> bool:
        shown = (self.user_data, self.details, getattr(self, "show_icon", None))
        return not any(shown)

    def show(self, row: Any, caller: Caller) -> VmView:
        made: VmView = type(self).PLAN.view.of(row, caller.cloud)  # type: ignore[attr-defined]
        if self.user_data:
            made.user_data = row.user_data or None
        return made if self.details is None else trimmed(made, self.details)

    def _placed(self, row: Any, caller: Caller) -> bool:
        cloud = caller.cloud
        if self.pod_id is not None or self.cluster_id is not None:
            host = cloud[hosts].get(row.host_id or row.last_host_id)
            if host is None or self.pod_id not in (None, host.pod_id):
                return False
            if self.cluster_id not in (None, host.cluster_id):
                return False
        if self.storage_id is not None and all(
            disk.pool_id != self.storage_id for disk in cloud[volumes].by("vm_id", row.id)
        ):
            return False
        if self.arch is not None:
            template = cloud[templates].get(row.template_id)
            if template is None or template.arch != self.arch.lower():
                return False
        if self.ha_enable is None:
            return True
        offering = cloud[service_offerings].get(row.service_offering_id)
        return (offering is not None and offering.offer_ha) == self.ha_enable

    def _networked(self, row: Any, caller: Caller) -> bool:
        """On a network of the kind that is asked for."""
        found = [caller.cloud[networks].get(nic.network_id) for nic in row.nics]
        known = [network for network in found if network is not None]
        if self.vpc_id is not None and all(
            getattr(network, "vpc_id", None) != self.vpc_id for network in known
        ):
            return False
        isolated = any(network.guest_ip_type == "Isolated" for network in known)
        return self.for_virtual_network in (None, isolated)


NAMES = ("name", "display_name", "instance_name", "state")


@list_command("listVirtualMachines", view=VmView, table=vms, key="virtualmachine", keyword=NAMES)
class ListVirtualMachines(VmFilters, CountOnly):
    """List virtual machines."""

    show_icon: Annotated[bool | None, "also the icon of each", Filter()] = None


@list_command(
    "listVirtualMachinesMetrics",
    view=VmMetricsView,
    table=vms,
    key="virtualmachine",
    keyword=NAMES,
    since="4.9.3",
)
class ListVirtualMachinesMetrics(VmFilters, CountOnly, WithIcons):
    """List virtual machines with what they were measured at last."""


@list_command(
    "listVirtualMachinesUsageHistory",
    view=VmHistoryView,
    table=vms,
    key="virtualmachine",
    keyword=NAMES,
    since="4.17",
)
class ListVirtualMachinesUsageHistory:
    """List what virtual machines were measured at of late: as far back as memory goes."""

    start_date: Annotated[Moment | None, "since then", Filter()] = None
    end_date: Annotated[Moment | None, "until then", Filter()] = None

    def visible(self, row: Any, caller: Caller) -> bool:
        return caller.is_root or row.is_displayed

    def show(self, row: Any, caller: Caller) -> VmHistoryView:
        until_ms = caller.now_ms if self.end_date is None else self.end_date
        return VmHistoryView.between(row, caller.cloud, self.start_date or 0, until_ms)
