"""The password that a guest is given at a start: made when it is needed, and kept in the vault.

A password is due when a guest of a template that takes one starts first, and after each reset.
"""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from aggregates.vm import Vm
from engine.intents.vm import password_entry
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


async def forget(run: Run[Any], vm_id: UUID) -> None:
    """The guest is gone, and so is its password; one that had none is fine."""
    await run.world.vault.shred(password_entry(vm_id))
