"""Give a stopped guest a new password, which its next start hands to it."""

from __future__ import annotations

from uuid import UUID

from aggregates.vm import VmKeysSet, VmPasswordReset, VmState
from engine import passwords
from engine.intents.vm import ResetPassword, password_entry
from engine.saga import Run, Saga
from projections.vm import vms

reset_password = Saga(
    "vm.reset_password:1",
    ResetPassword,
    subject="vm",
    subject_id=lambda ask: ask.vm_id,
    forward_only=True,
)


@reset_password.step
def begin(run: Run[ResetPassword]) -> None:
    vm = run.row(vms, run.intent.vm_id)
    run.change(vm, vm.work("Resetting its password", run.id, VmState.STOPPED))


@reset_password.step
async def keep(run: Run[ResetPassword]) -> None:
    """The old password is forgotten here: the guest may know it, the cloud does no longer."""
    vault, ref = run.world.vault, run.intent.password_ref
    password = passwords.made_up()
    if ref:
        try:
            password = await vault.get(UUID(ref))
        except KeyError:
            return  # a retry: it has been moved to its place before
    await vault.put(password, key=password_entry(run.intent.vm_id))
    if ref:
        await vault.shred(UUID(ref))


@reset_password.step
def done(run: Run[ResetPassword]) -> None:
    vm, keys = run.row(vms, run.intent.vm_id), run.intent.keys
    if keys is not None:
        run.change(vm, VmKeysSet(key_pairs=keys.key_pairs, public_keys=keys.public_keys))
    run.change(vm, VmPasswordReset())
