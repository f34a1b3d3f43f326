"""What a guest is told when it starts: its user data and its SSH keys, read and changed."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.commands.vm_belongs import public_keys_of, told_by
from api.commands.vm_checks import USER_DATA_LENGTH, known_key_pairs
from api.declare import Caller, Job, Length, Names, command
from api.errors import InvalidValue, missing
from api.scope import owner_for
from api.views.user_data import VmUserDataView
from api.views.vm import VmView
from engine.intents.job import AsJob
from engine.intents.vm import ResetPassword, SetKeys, SetUserData
from projections.template import templates
from projections.vm import Vm, vms


@command(
    "getVirtualMachineUserData",
    returns=VmUserDataView,
    key="virtualmachineuserdata",
    allow="ARDU",
    since="4.4",
)
class GetVirtualMachineUserData:
    """Read the user data of a virtual machine."""

    virtual_machine_id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]

    async def run(self, caller: Caller) -> VmUserDataView:
        vm = caller.cloud[vms][self.virtual_machine_id]
        return VmUserDataView(virtual_machine_id=vm.id, user_data=vm.user_data)


@command(
    "resetUserDataForVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="A",
    since="4.18.0",
    action="VM.RESETUSERDATA",
)
class ResetUserDataForVirtualMachine:
    """Give a stopped guest other user data, or none, which it is told when it starts next."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    user_data: Annotated[str | None, "base64 that the guest can read", Length(USER_DATA_LENGTH)] = (
        None
    )
    user_data_id: Annotated[
        UUID | None, "registered user data, instead of userdata", Names("user_data")
    ] = None
    user_data_details: Annotated[dict[str, str] | None, "values for its parameters"] = None
    account: Annotated[str | None, "the account that owns the machine"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that owns the machine", Names("project")] = None

    async def run(self, caller: Caller) -> Vm:
        vm = caller.cloud[vms][self.id]
        _is_owners(caller, vm, self.account, self.domain_id, self.project_id)
        template = caller.cloud[templates].get(vm.template_id)
        told = told_by(caller, self.user_data, self.user_data_id, self.user_data_details, template)
        await caller.decide(
            SetUserData(
                vm_id=vm.id,
                user_data=told.content,
                user_data_id=told.user_data_id,
                details=told.details,
                stopped=True,
            )
        )
        return caller.cloud[vms][vm.id]


@command(
    "resetSSHKeyForVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    envelope="resetSSHKeyforvirtualmachineresponse",
    action="VM.RESETSSHKEY",
)
class ResetSshKeyForVirtualMachine:
    """Give a stopped guest other SSH keys, which it lets in from its next start on.

    One whose template takes a password gets a new password with them.
    """

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    key_pair: Annotated[str | None, "the key pair to let in"] = None
    key_pairs: Annotated[tuple[str, ...] | None, "the key pairs to let in"] = None
    account: Annotated[str | None, "the account that owns the machine"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that owns the machine", Names("project")] = None

    async def run(self, caller: Caller) -> Job:
        vm = caller.cloud[vms][self.id]
        _is_owners(caller, vm, self.account, self.domain_id, self.project_id)
        named = [self.key_pair] if self.key_pair else []
        wanted = list(dict.fromkeys([*named, *(self.key_pairs or ())]))
        if not wanted:
            raise missing("resetSSHKeyForVirtualMachine", "keypair")
        names = known_key_pairs(caller, vm.account_id, wanted)
        keys = public_keys_of(caller, vm.account_id, names)
        ask = SetKeys(vm_id=vm.id, key_pairs=names, public_keys=keys)
        template = caller.cloud[templates].get(vm.template_id)
        if template is not None and template.password_enabled:
            return await caller.submit(ResetPassword(vm_id=vm.id, keys=ask))
        return await caller.submit(AsJob(ask=ask, subject_kind="vm", subject_id=vm.id))


def _is_owners(
    caller: Caller, vm: Vm, account: str | None, domain_id: UUID | None, project_id: UUID | None
) -> None:
    """An account that is named must be the one that the guest belongs to."""
    if account is None and project_id is None:
        return
    owner, _ = owner_for(caller, account=account, domain_id=domain_id, project_id=project_id)
    if owner != vm.account_id:
        raise InvalidValue(f"virtual machine {vm.name} is not that account's: leave account out")
