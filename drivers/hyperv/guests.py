"""The life of a guest: started from nothing each time, and gone without a trace."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from drivers.contract.compute import GuestSpec, GuestStatus, NicSpec
from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.hyperv import cluster, errors, places, translate
from drivers.hyperv.client import Client
from drivers.hyperv.facts import Facts
from drivers.hyperv.files import Files
from drivers.hyperv.observe import Observer
from drivers.hyperv.translate import Guest, Note, by_id
from drivers.hyperv.words import ask, cmd, do
from drivers.kit import discs

WAIT_S = 60.0


class Guests:
    def __init__(
        self,
        client: Client,
        files: Files,
        observer: Observer,
        facts: Facts,
        *,
        verb_s: float,
        merge_s: float,
    ) -> None:
        self._client, self._files, self._observer = client, files, observer
        self._facts, self._verb_s, self._merge_s = facts, verb_s, merge_s

    async def start(self, spec: GuestSpec, *, key: UUID) -> GuestStatus:
        host = await self._facts.inspect()
        translate.require_possible(spec, host.cpu_count, host.memory_bytes)
        guest = await self._observer.idle(spec.guest_id, limit_s=WAIT_S)
        if guest is not None and guest.runs:
            return guest.status()
        if guest is not None:
            await self.remove(spec.guest_id)
        try:
            await self._make(spec, key)
        except Refused:
            await self.remove(spec.guest_id)
            raise
        made = await self._observer.find(spec.guest_id)
        if made is None or not made.runs:
            raise Unknown(f"start guest {spec.name}: it does not run right after its start")
        return made.status()

    async def _make(self, spec: GuestSpec, key: UUID) -> None:
        doing, folder = f"start guest {spec.name}", translate.machines_folder(spec)
        switch = await self._switch(spec.nics)
        born = await self._client.order(
            ask(translate.birth(spec, folder), properties=("Id", "Path")),
            about=spec.guest_id,
            doing=doing,
            timeout_s=self._verb_s,
        )
        vm_id, disc = str(born[0][0]["Id"]), ""
        if spec.config:
            disc = translate.config_path(born[0][0]["Path"])
            content = discs.image(spec.config)
            await self._files.send_bytes(content, disc, about=spec.guest_id)
        note = Note(guest_id=spec.guest_id, key=key, room_mib=spec.memory_max_mib)
        statements = translate.shape(spec, vm_id, note, switch, disc)
        statements.append(do(by_id(vm_id), cmd("Start-VM")))
        await self._client.order(*statements, about=spec.guest_id, doing=doing)
        if spec.disks and await cluster.name(self._client):
            await cluster.add_role(self._client, spec.guest_id, vm_id)

    async def _switch(self, nics: tuple[NicSpec, ...]) -> str:
        """The switch of a card that names none: the first that leads outside."""
        if all(nic.bridge for nic in nics):
            return ""
        return await self.outside()

    async def outside(self) -> str:
        told = await self._client.ask(
            ask(cmd("Get-VMSwitch"), properties=("Name", "SwitchType")), doing="look at switches"
        )
        outer = [one["Name"] for one in told[0] if int(one["SwitchType"]) == 2]
        if not outer:
            raise Refused(
                f"{self._client.route} has no external virtual switch: make one (New-VMSwitch), "
                "or name another as the network's label"
            )
        return str(outer[0])

    async def stop(self, guest_id: UUID, *, grace_s: float) -> None:
        guest = await self._observer.find(guest_id)
        if guest is None or guest.state == translate.OFF:
            return
        doing = f"stop guest {guest_id}"
        if grace_s > 0 and guest.runs:
            # It may have no integration services, or heed nothing: then its power is cut.
            with suppress(errors.CommandFailed, Unknown):
                await self._client.raw(
                    do(by_id(guest.vm_id), cmd("Stop-VM", "Force")),
                    about=guest_id,
                    doing=doing,
                    timeout_s=grace_s,
                )
        await self._cut(guest, guest_id, doing)

    async def _cut(self, guest: Guest, guest_id: UUID, doing: str) -> None:
        order = do(by_id(guest.vm_id), cmd("Stop-VM", "TurnOff", "Force"))
        try:
            await self._client.raw(order, about=guest_id, doing=doing)
        except errors.CommandFailed as failed:
            if not errors.is_missing(failed):
                raise errors.of_command(failed, doing=doing) from failed

    async def reboot(self, guest_id: UUID, *, force: bool) -> None:
        guest = await self._observer.running(guest_id, verb="reboot", limit_s=WAIT_S)
        doing, vm = f"reboot guest {guest_id}", by_id(guest.vm_id)
        if not force:
            try:
                await self._client.raw(
                    do(vm, cmd("Restart-VM", "Force", Type="Reboot")), about=guest_id, doing=doing
                )
                return
            except errors.CommandFailed:
                pass  # it has no integration services: it is reset
        reset = cmd("Restart-VM", "Force", Type="Reset")
        await self._client.order(do(vm, reset), about=guest_id, doing=doing)

    async def remove(self, guest_id: UUID, *, with_home: bool = True) -> None:
        """Power, role, definition, and the folder of its own; never disks."""
        guest = await self._observer.idle(guest_id, limit_s=WAIT_S)
        if guest is None:
            return
        doing = f"remove guest {guest_id}"
        if guest.state != translate.OFF:
            await self._cut(guest, guest_id, doing)
        await self._merge(guest, guest_id, doing)
        if guest.is_role:
            await cluster.remove_role(self._client, guest_id, guest.vm_id)
        try:
            await self._client.raw(
                do(by_id(guest.vm_id), cmd("Remove-VM", "Force")), about=guest_id, doing=doing
            )
        except errors.CommandFailed as failed:
            if not errors.is_missing(failed):
                raise errors.of_command(failed, doing=doing) from failed
        if with_home and translate.is_home(guest.folder, guest_id):
            await self._files.swept(guest.folder, about=guest_id, doing=doing)

    async def _merge(self, guest: Guest, guest_id: UUID, doing: str) -> None:
        """A person's checkpoints go with the machine; what was written since stays in its disks."""
        if all(places.same(seat.path, places.settled(seat.path)) for seat in guest.seats):
            return
        found = (by_id(guest.vm_id), cmd("Get-VMCheckpoint"), cmd("Remove-VMCheckpoint"))
        await self._client.order(do(*found), about=guest_id, doing=doing)
        merged = await self._observer.idle(guest_id, limit_s=self._merge_s)
        for seat in merged.seats if merged is not None else ():
            if not places.same(seat.path, places.settled(seat.path)):
                raise Unavailable(f"{doing}: Hyper-V has not merged {seat.path} yet")

    async def grow(self, guest_id: UUID, *, cpu_count: int, cpu_mhz: int, memory_mib: int) -> None:
        """Cores that were kept back are given, and memory is added; neither is taken away."""
        guest = await self._observer.running(guest_id, verb="grow", limit_s=WAIT_S)
        doing = f"grow guest {guest_id}"
        if cpu_count < guest.cpu_count or memory_mib < guest.memory_mib:
            raise Refused(f"{doing}: a guest that runs gives nothing back")
        room_mib = guest.note.room_mib if guest.note else 0
        if cpu_count > guest.cores or memory_mib > max(room_mib, guest.memory_mib):
            raise Refused(f"{doing}: it was started without room for that: stop it first")
        vm, steps = by_id(guest.vm_id), []
        if memory_mib > guest.memory_mib:
            more = translate.memory_bytes(memory_mib)
            steps.append(do(vm, cmd("Set-VMMemory", StartupBytes=more)))
        cap = translate.cap_percent(cpu_count, guest.cores)
        share = translate.weight(cpu_mhz, guest.cores)
        steps.append(do(vm, cmd("Set-VMProcessor", Maximum=cap, RelativeWeight=share)))
        await self._client.order(*steps, about=guest_id, doing=doing)
