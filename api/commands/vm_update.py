"""Change what the owner of a virtual machine may change; all of it, or none."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.commands.security_group_use import settle_groups
from api.commands.vm_belongs import LEASE_ACTIONS, group_for, lease_until, told_by
from api.commands.vm_checks import USER_DATA_LENGTH, check_host_name, refuse_later
from api.commands.vm_dhcp import dhcp_options
from api.declare import Caller, Free, Length, Matches, Names, OneOf, Roles, command
from api.errors import Denied, InvalidValue
from api.views.vm import VmView
from engine.intents.nic import SetDhcpOptions
from engine.intents.record import Together
from engine.intents.security_group import SetSecurityGroups
from engine.intents.vm import GroupVm, LeaseVm, SetUserData, UpdateVm
from projections.service_offering import service_offerings
from projections.template import templates
from projections.vm import Vm, vms

LATER = ("custom_id", "extra_config")


@command(
    "updateVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    action="VM.UPDATE",
)
class UpdateVirtualMachine:
    """Change what the owner of a virtual machine may change. A new name counts after a restart."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    name: Annotated[str | None, "its new host name"] = None
    display_name: Annotated[str | None, "its new name for people"] = None
    instance_name: Annotated[
        str | None,
        "its new name on the hypervisor, of a stopped guest; root admins only",
        Roles("Admin"),
        Matches(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "letters, digits, dots and hyphens"),
    ] = None
    group: Annotated[str | None, "the instance group to put it in; empty for none"] = None
    user_data: Annotated[str | None, "its new user data in base64", Length(USER_DATA_LENGTH)] = None
    user_data_id: Annotated[
        UUID | None, "registered user data, instead of userdata", Names("user_data")
    ] = None
    user_data_details: Annotated[dict[str, str] | None, "values for its parameters"] = None
    security_group_ids: Annotated[
        tuple[UUID, ...] | None, "the security groups of a stopped guest", Names("security_group")
    ] = None
    security_group_names: Annotated[
        tuple[str, ...] | None, "those groups by their names, instead of their ids"
    ] = None
    lease_duration: Annotated[int | None, "days from now until it ends; -1 for never"] = None
    lease_expiry_action: Annotated[
        str | None, "how it ends: STOP or DESTROY", OneOf(*LEASE_ACTIONS)
    ] = None
    os_type_id: Annotated[UUID | None, "the operating system in it", Names("os_type")] = None
    is_dynamically_scalable: Annotated[bool | None, "whether it can grow while it runs"] = None
    delete_protection: Annotated[bool | None, "whether it may not be destroyed"] = None
    display_vm: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    details: Annotated[dict[str, str] | None, "its settings, instead of those it has"] = None
    cleanup_details: Annotated[bool | None, "take all settings away"] = None
    ha_enable: Annotated[
        bool | None, "as its service offering says: another is a change of offering", Roles("Admin")
    ] = None
    custom_id: Annotated[str | None, "not offered: an id is for ever", Free("refused")] = None
    extra_config: Annotated[str | None, "not offered: words for one hypervisor alone"] = None
    dhcp_options_network_list: Annotated[
        tuple[dict[str, str], ...] | None, "what DHCP tells it from its next start, by network"
    ] = None

    async def run(self, caller: Caller) -> Vm:
        refuse_later(self, LATER)
        vm = caller.cloud[vms][self.id]
        self._check_ha(caller, vm)
        if self.name:
            check_host_name(caller, vm.account_id, self.name, but=vm.id)
        if self.delete_protection is not None and not (
            caller.is_root or caller.identity.is_domain_admin or vm.account_id == caller.account_id
        ):
            raise Denied("deleteprotection is for the owner or an administrator: leave it out")
        asks: list[Any] = [
            UpdateVm(
                vm_id=vm.id,
                name=self.name or None,
                display_name=self.display_name,
                instance_name=self.instance_name,
                is_displayed=self.display_vm,
                is_protected=self.delete_protection,
                os_type_id=self.os_type_id,
                is_scalable=self.is_dynamically_scalable,
                details={} if self.cleanup_details else self.details,
            )
        ]
        if self.group is not None:
            group_id = await group_for(caller, vm.account_id, vm.domain_id, self.group)
            asks.append(GroupVm(vm_id=vm.id, group_id=group_id))
        if self.dhcp_options_network_list:
            on = [nic.network_id for nic in vm.nics]
            told = dhcp_options(self.dhcp_options_network_list, on, "dhcpoptionsnetworklist")
            asks.append(SetDhcpOptions(vm_id=vm.id, options=told))
        asks += await self._belongs(caller, vm)
        await caller.decide(Together(asks=tuple(asks)))
        return caller.cloud[vms][vm.id]

    def _check_ha(self, caller: Caller, vm: Vm) -> None:
        """Whether it is started again elsewhere is said by its offering alone."""
        offering = caller.cloud[service_offerings].get(vm.service_offering_id)
        now = offering is not None and offering.offer_ha
        if self.ha_enable not in (None, now):
            wanted = str(self.ha_enable).lower()
            raise InvalidValue(
                f"haenable is {str(now).lower()} by the service offering of {vm.name}: "
                f"change to an offering where offerha is {wanted}"
            )

    async def _belongs(self, caller: Caller, vm: Vm) -> list[Any]:
        """What is asked about its user data, its security groups and its lease."""
        asks: list[Any] = []
        if (self.user_data, self.user_data_id, self.user_data_details) != (None, None, None):
            template = caller.cloud[templates].get(vm.template_id)
            told = told_by(
                caller, self.user_data, self.user_data_id, self.user_data_details, template
            )
            asks.append(
                SetUserData(
                    vm_id=vm.id,
                    user_data=told.content,
                    user_data_id=told.user_data_id,
                    details=told.details,
                )
            )
        if self.security_group_ids or self.security_group_names:
            groups = await settle_groups(
                self, caller, vm.account_id, vm.domain_id, [nic.network_id for nic in vm.nics]
            )
            asks.append(SetSecurityGroups(vm_id=vm.id, security_group_ids=groups))
        if self.lease_duration is not None or self.lease_expiry_action is not None:
            ends_at_ms, action = lease_until(
                caller.now_ms, self.lease_duration, self.lease_expiry_action
            )
            asks.append(LeaseVm(vm_id=vm.id, ends_at_ms=ends_at_ms, action=action))
        return asks
