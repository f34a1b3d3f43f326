"""Passwords of guests: made or given, sealed at once, told once, and kept by no event.

The vault has one entry a guest, for the password that it was given last. The job that brought it
tells it to the user who asked for the job; for everybody else it is only to be had encrypted for
the guest's own SSH key.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from api.caller import JobRow
from api.commands.vm_checks import check_password
from api.declare import Caller, Job, Names, command
from api.errors import InvalidValue
from api.jobs import JobView
from api.views.vm import VmPasswordView, VmView
from engine.intents.vm import ResetPassword, password_entry
from projections.network import networks
from projections.template import templates
from projections.vm import Vm, vms


@command(
    "resetPasswordForVirtualMachine",
    returns=VmView,
    key="virtualmachine",
    allow="ARDU",
    is_async=True,
    action="VM.RESETPASSWORD",
)
class ResetPasswordForVirtualMachine:
    """Give a stopped guest a new password, which it takes when it starts next."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]
    password: Annotated[str | None, "the new password; made up if omitted"] = None

    async def run(self, caller: Caller) -> Job:
        vm = caller.cloud[vms][self.id]
        template = caller.cloud[templates].get(vm.template_id)
        if template is None or not template.password_enabled:
            raise InvalidValue(
                f"virtual machine {vm.name} is of a template that takes no password: "
                "reset it from within"
            )
        if not _can_be_told(caller, vm):
            raise InvalidValue(
                f"virtual machine {vm.name} is on no network that hands it a password (service "
                "UserData): add one, or reset it from within"
            )
        if not self.password:
            return await caller.submit(ResetPassword(vm_id=vm.id))
        check_password(self.password, template)
        entry = caller.new_id()
        ask = ResetPassword(vm_id=vm.id, password_ref=str(entry))
        return await submit_with(caller, {entry: self.password}, ask)


def _can_be_told(caller: Caller, vm: Vm) -> bool:
    """Whether any network of the guest has a service that hands passwords over."""
    cards = (caller.cloud[networks].get(nic.network_id) for nic in vm.nics)
    return any(network is not None and "UserData" in network.services for network in cards)


@command("getVMPassword", returns=VmPasswordView, key="password", allow="ARDU")
class GetVmPassword:
    """Read the password that a guest was given last, encrypted for its SSH key (RSA)."""

    id: Annotated[UUID, "the virtual machine", Names("vm", right="operate")]

    async def run(self, caller: Caller) -> VmPasswordView:
        vm = caller.cloud[vms][self.id]
        key = _rsa_key(vm)
        password = await _kept(caller, vm)
        if password is None:
            raise InvalidValue(
                f"virtual machine {vm.name} was given no password: call "
                "resetPasswordForVirtualMachine while it is stopped"
            )
        # PKCS #1 v1.5 is what clients of this command decrypt.
        sealed = key.encrypt(password.encode(), padding.PKCS1v15())
        return VmPasswordView(encrypted_password=base64.b64encode(sealed).decode())


async def submit_with(caller: Caller, secrets: Mapping[UUID, str], ask: Any) -> Job:
    """Submit what needs secrets that were given. If that is refused, nothing of them is kept."""
    try:
        for entry, secret in secrets.items():
            await caller.seal(secret, entry)
        job = await caller.submit(ask)
    except BaseException:
        await _shred(caller, secrets)
        raise
    row = caller.cloud.table("saga").get(job.id)
    if row is not None and row.failed_step:
        await _shred(caller, secrets)
    return job


async def _shred(caller: Caller, entries: Iterable[UUID]) -> None:
    for entry in entries:
        await caller.shred(str(entry))


async def tell_password(caller: Caller, job: JobRow, made: JobView) -> None:
    """Put the password that this job brought into its result, for the user who asked for it."""
    for shown in (made.job_result or {}).values():
        if not isinstance(shown, VmView) or job.user_id != caller.user_id:
            continue
        vm = caller.cloud[vms].get(shown.id)
        if vm is not None and vm.password_job_id == job.id:
            shown.password = await _kept(caller, vm)


async def _kept(caller: Caller, vm: Vm) -> str | None:
    try:
        return await caller.secret(str(password_entry(vm.id)))
    except KeyError:
        return None


def _rsa_key(vm: Vm) -> RSAPublicKey:
    """The first of the guest's keys that something can be encrypted for."""
    for text in vm.public_keys:
        try:
            key = serialization.load_ssh_public_key(text.encode())
        except (ValueError, UnsupportedAlgorithm):
            continue
        if isinstance(key, RSAPublicKey):
            return key
    raise InvalidValue(
        f"virtual machine {vm.name} has no RSA key pair to encrypt its password for: register "
        "one with registerSSHKeyPair and call resetSSHKeyForVirtualMachine"
    )
