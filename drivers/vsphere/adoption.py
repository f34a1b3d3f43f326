"""Machines that no controller made: seen, taken over while they run, and let go of again."""

from __future__ import annotations

from uuid import UUID, uuid4

from drivers.contract.compute import Adoption, Power, Stranger
from drivers.contract.errors import Refused
from drivers.vsphere import translate
from drivers.vsphere.guests import Guests
from drivers.vsphere.notes import HeldDisk, Note
from drivers.vsphere.sdk import vim


class Strangers:
    """The strangers of one host."""

    def __init__(self, guests: Guests) -> None:
        self._guests, self._tasks = guests, guests.tasks

    async def survey(self) -> list[Stranger]:
        return [one.stranger() for one in await self._guests.machines() if one.note is None]

    async def adopt(self, name: str, ask: Adoption, *, key: UUID) -> None:
        """The machine's instance UUID becomes our id; what it was is noted, for letting go."""
        doing = f"adopt {name}"
        async with self._tasks.turn(ask.guest_id):
            if await self._guests.find(ask.guest_id) is not None:
                return
            found = [one for one in await self._guests.machines() if one.name == name]
            if not found:
                raise Refused(f"{doing}: host {self._guests.esx.name} has no machine of this name")
            machine = found[0]
            if len(found) > 1 or machine.note is not None:
                raise Refused(f"{doing}: it is a controller's already, or its name is not its own")
            if machine.power is not Power.RUNNING:
                raise Refused(f"{doing}: it does not run: start it first")
            slots = {one.base: one.slot for one in machine.disks}
            if lost := [path for _, path in ask.disks if path not in slots]:
                raise Refused(f"{doing}: it has no disk {', '.join(lost)}")
            note = Note(
                guest=ask.guest_id,
                key=key,
                disks={id_: HeldDisk(path, slots[path]) for id_, path in ask.disks},
                nics={id_: mac.lower() for id_, mac in ask.nics},
                cpu_max=machine.status().cpu_count,
                memory_max_mib=machine.status().memory_mib,
                before=str(machine.found.get("config.instanceUuid", "")),
            )
            spec = vim.vm.ConfigSpec(
                instanceUuid=str(ask.guest_id), extraConfig=translate.extra(note)
            )
            await self._tasks.run(
                lambda: machine.ref.ReconfigVM_Task(spec), about=ask.guest_id, doing=doing
            )

    async def disown(self, guest_id: UUID) -> None:
        async with self._tasks.turn(guest_id):
            machine = await self._guests.find(guest_id)
            if machine is None or machine.note is None:
                return
            spec = vim.vm.ConfigSpec(
                instanceUuid=machine.note.before or str(uuid4()), extraConfig=translate.extra(None)
            )
            await self._tasks.run(
                lambda: machine.ref.ReconfigVM_Task(spec),
                about=guest_id, doing=f"let go of {machine.name}",
            )  # fmt: skip
