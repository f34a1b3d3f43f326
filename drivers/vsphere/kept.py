"""Snapshots of whole guests, as vSphere keeps them: a machine's own, named by our id.

They lie within the disks' chains, so they need a machine. That of a guest which is off is parked
(see `guests`); where there is none, one is made that never runs, only to hold them.
"""

from __future__ import annotations

from uuid import UUID

from drivers.contract.compute import DiskAttachment, GuestSpec, Power
from drivers.contract.errors import Refused
from drivers.vsphere.guests import Guests
from drivers.vsphere.machines import Machine

HOLDER_MIB = 32


class Kept:
    """The snapshots of one host's guests."""

    def __init__(self, guests: Guests) -> None:
        self._guests = guests
        self._tasks, self._moments = guests.tasks, guests.moments

    async def keep(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        async with self._tasks.turn(guest_id):
            if with_memory:
                machine = await self._guests.running(guest_id, verb="snapshot with its memory")
            else:
                machine = await self._machine(guest_id) or await self._holder(guest_id, disks, key)
            self._has_all(machine, disks, "snapshot")
            if await self._moments.find(machine.ref, str(snapshot_id)) is None:
                await self._moments.keep(
                    machine.ref, str(snapshot_id), with_memory=with_memory, about=guest_id
                )

    async def revert(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
    ) -> None:
        """The machine is then as it was, but for our note, which tells of today."""
        doing = f"revert guest {guest_id}"
        async with self._tasks.turn(guest_id):
            if with_memory:
                machine: Machine | None = await self._guests.running(guest_id, verb="revert")
            else:
                machine = await self._machine(guest_id)
            moment = None
            if machine is not None:
                moment = await self._moments.find(machine.ref, str(snapshot_id))
            if machine is None or moment is None or (note := machine.note) is None:
                raise Refused(f"{doing}: no snapshot {snapshot_id} is kept in its disks")
            if not with_memory and machine.power is not Power.OFF:
                raise Refused(f"{doing}: it runs: its disks alone go back when it is off")
            self._has_all(machine, disks, "revert")
            await self._moments.revert(moment, runs=with_memory, about=guest_id)
            await self._guests.write(machine.ref, note)

    async def forget(self, guest_id: UUID, snapshot_id: UUID) -> None:
        async with self._tasks.turn(guest_id):
            machine = await self._machine(guest_id)
            if machine is None:
                return
            moment = await self._moments.find(machine.ref, str(snapshot_id))
            if moment is not None:
                await self._moments.forget(moment, about=guest_id)
            await self._release(machine)

    async def release(self, machine: Machine) -> None:
        """Let a parked machine go with all snapshots that it holds."""
        note = machine.note
        if note is None or not note.parked:
            return
        async with self._tasks.turn(note.guest):
            for moment in (await self._moments.all_of(machine.ref)).values():
                await self._moments.forget(moment, about=note.guest)
            await self._release(machine)

    async def _release(self, machine: Machine) -> None:
        """A parked machine that holds no snapshot any more has no purpose."""
        again = await self._guests.inventory.look(machine.ref)
        if again is None or again.note is None or not again.note.parked:
            return
        if not await self._moments.all_of(again.ref):
            await self._guests.destroy(again)

    async def _machine(self, guest_id: UUID) -> Machine | None:
        """The guest's machine here, or parked on whichever host."""
        machine = await self._guests.anywhere(guest_id)
        if machine is None or machine.note is None:
            return None
        here = machine.host == self._guests.esx.ref._moId
        return machine if here or machine.note.parked else None

    async def _holder(
        self, guest_id: UUID, disks: tuple[DiskAttachment, ...], key: UUID
    ) -> Machine:
        """A machine that never runs, for the disks of a guest that has none."""
        spec = GuestSpec(
            guest_id=guest_id, name="holder", cpu_count=1, cpu_mhz=100,
            memory_mib=HOLDER_MIB, disks=disks,
        )  # fmt: skip
        ref = await self._guests.create_parked(spec, key)
        machine = await self._guests.inventory.look(ref)
        if machine is None:
            raise Refused(f"guest {guest_id}: the machine that holds its snapshots is gone")
        return machine

    def _has_all(self, machine: Machine, disks: tuple[DiskAttachment, ...], verb: str) -> None:
        missing = [
            str(one.volume_id)
            for one in disks
            if not one.is_cdrom and machine.disk_of(one.volume_id) is None
        ]
        if missing:
            raise Refused(f"{verb} of {machine.name}: it does not have {', '.join(missing)}")
