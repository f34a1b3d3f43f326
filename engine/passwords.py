"""The password that a guest is given at a start: made when it is needed, and kept in the vault.

A password is due when a guest of a template that takes one starts first, and after each reset.
"""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

import msgspec

from aggregates.vm import Vm
from drivers.contract.errors import Refused
from engine.intents.vm import password_entry, properties_entry
from engine.saga import Run

LENGTH = 16
# Without those that people take for one another, on paper or on a console.
LETTERS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def made_up() -> str:
    """A password that nobody has chosen."""
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


async def due(run: Run[Any], vm: Vm) -> str:
    """The password that this start brings, or nothing. A retry brings the same one."""
    return await kept(run, vm) if vm.password_due else ""


async def kept(run: Run[Any], vm: Vm) -> str:
    """The password that the guest was given last, or one that is made up now."""
    entry = password_entry(vm.id)
    try:
        return await run.world.vault.get(entry)
    except KeyError:
        password = made_up()
        await run.world.vault.put(password, key=entry)
        return password


async def properties(run: Run[Any], vm: Vm) -> dict[str, str]:
    """What only this guest of an appliance may be told, by the names of properties."""
    if vm.appliance is None or not vm.appliance.is_sealed:
        return {}
    try:
        kept_text = await run.world.vault.get(properties_entry(vm.id))
    except KeyError:
        raise Refused(
            f"the passwords among the properties of virtual machine {vm.name} are gone from the "
            "sealed store: bring back its key, or deploy the guest anew"
        ) from None
    return msgspec.json.decode(kept_text, type=dict[str, str])


async def forget_all(run: Run[Any], vm: Vm) -> None:
    """Nothing that was sealed for a guest outlives it."""
    if vm.password_job_id is not None or vm.password_due:
        await forget(run, vm.id)
    if vm.appliance is not None and vm.appliance.is_sealed:
        await run.world.vault.shred(properties_entry(vm.id))


async def forget(run: Run[Any], vm_id: UUID) -> None:
    """The guest is gone, and so is its password; one that had none is fine."""
    await run.world.vault.shred(password_entry(vm_id))
