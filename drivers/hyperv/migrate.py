"""Guests and their disks on the move while the guest runs.

A disk that moves keeps resting on the image that it was made of, where that lies: a note in that
pool says so, lest the image be dropped. So the destination must reach the image; that is looked
at before anything starts. While a copy is not whole, a note in its pool says so too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from drivers.contract.compute import DiskMove
from drivers.contract.errors import DriverError, Refused, Unknown
from drivers.contract.storage import DiskStatus, PoolSpec
from drivers.hyperv import errors, places
from drivers.hyperv.client import Client
from drivers.hyperv.disks import Disks
from drivers.hyperv.files import Files, note
from drivers.hyperv.observe import Observer
from drivers.hyperv.places import MOVING, NEEDED, Place, place_of, settled
from drivers.hyperv.translate import Guest, by_id, home_in, is_home
from drivers.hyperv.words import Statement, cmd, do

SETTLE_S = 120.0


class Side(Protocol):
    """What is needed of a session with the host that something moves to."""

    client: Client
    observer: Observer
    disks: Disks
    files: Files

    async def node_name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Part:
    """One disk on its way. `needed` is the note that keeps the image that it rests on."""

    volume_id: UUID
    source: str
    destination: str
    mark: str
    base: str
    needed: str


class Moves:
    def __init__(
        self, client: Client, files: Files, disks: Disks, observer: Observer, *, move_s: float
    ) -> None:
        self._client, self._files, self._disks = client, files, disks
        self._observer, self._move_s = observer, move_s

    async def migrate(self, guest_id: UUID, target: Side, moves: tuple[DiskMove, ...]) -> None:
        """A job that a lost call left is waited for; where the guest is then decides."""
        doing = f"migrate guest {guest_id}"
        guest = await self._observer.idle(guest_id, limit_s=self._move_s)
        if guest is None:
            if await self._arrived(guest_id, target, moves):
                return
            raise Refused(f"{doing}: it does not run on {self._client.route}")
        if not guest.runs:
            raise Refused(f"{doing}: it does not run: start it on the other host instead")
        parts = [await self._part(guest, one.volume_id, one.pool, doing) for one in moves]
        parts = [one for one in parts if not places.same(one.source, one.destination)]
        await self._require_reach(guest, target, parts, doing)
        await self._begin(parts, target, doing)
        if parts:  # the disc that the guest was told by at its start stays behind, and goes
            out = (cmd("Get-VMDvdDrive"), cmd("Set-VMDvdDrive", Path=None))
            await self._client.order(do(by_id(guest.vm_id), *out), about=guest_id, doing=doing)
        machines = place_of(moves[0].pool).inside("machines") if moves else ""
        step = self._step(guest, await target.node_name(), parts, home_in(machines, guest_id))
        await self._go(step, guest_id, parts, target, doing)
        if not await self._arrived(guest_id, target, moves):
            raise Unknown(f"{doing}: it is not seen at {target.client.route} yet")
        if parts and is_home(guest.folder, guest_id):
            await self._files.swept(guest.folder, about=guest_id, doing=doing)

    async def move_disk(
        self, guest_id: UUID, volume_id: UUID, pool: PoolSpec, here: Side
    ) -> DiskStatus:
        doing, place = f"move disk {volume_id}", place_of(pool)
        guest = await self._observer.idle(guest_id, limit_s=self._move_s)
        if guest is None or not guest.runs:
            raise Refused(f"{doing}: guest {guest_id} does not run on {self._client.route}")
        destination = place.disk(volume_id)
        if guest.seat_at(destination) is None:
            part = await self._part(guest, volume_id, pool, doing)
            await self._begin([part], here, doing)
            step = do(by_id(guest.vm_id), cmd("Move-VMStorage", Vhds=_hashes([part])))
            await self._go(step, guest_id, [part], here, doing)
        mark = place.note(MOVING, volume_id)
        await self._files.gone(mark, about=volume_id, doing=doing)
        return await self._disks.status(destination, volume_id)

    def _step(self, guest: Guest, node: str, parts: Sequence[Part], home: str) -> Statement:
        if guest.is_role and not parts:
            role = cmd(
                "Move-ClusterVirtualMachineRole",
                VMId=guest.vm_id,
                Node=node,
                MigrationType="Live",
                Wait=int(self._move_s),
            )
            return do(role)
        more: dict[str, Any] = {}
        switches: tuple[str, ...] = ()
        if parts:
            switches = ("IncludeStorage",)
            more = {"Vhds": _hashes(parts), "VirtualMachinePath": home}
        return do(by_id(guest.vm_id), cmd("Move-VM", *switches, DestinationHost=node, **more))

    async def _go(
        self, step: Statement, guest_id: UUID, parts: Sequence[Part], target: Side, doing: str
    ) -> None:
        try:
            await self._client.raw(step, about=guest_id, doing=doing, timeout_s=self._move_s)
        except errors.CommandFailed as failed:
            await self._abandon(parts, target, doing)
            raise errors.of_command(failed, doing=doing) from failed

    async def _arrived(self, guest_id: UUID, target: Side, moves: tuple[DiskMove, ...]) -> bool:
        there = await target.observer.idle(guest_id, limit_s=SETTLE_S)
        if there is None or not there.runs:
            return False
        for one in moves:
            mark = place_of(one.pool).note(MOVING, one.volume_id)
            await target.files.gone(mark, about=one.volume_id, doing="end a move")
        return True

    async def _part(self, guest: Guest, volume_id: UUID, pool: PoolSpec, doing: str) -> Part:
        seat, place = guest.seat_of(volume_id), place_of(pool)
        if seat is None:
            raise Refused(f"{doing}: guest {guest.name} has no disk {volume_id}")
        known = (await self._disks.look(settled(seat.path))).values()
        base = next((str(one["ParentPath"] or "") for one in known), "")
        image_id, home, needed = places.id_in(base) if base else None, "", ""
        if image_id is not None:
            home = places.folder_above(base)
        if image_id is not None and not places.same(home, place.folder):
            old = Place(home, is_share=home.startswith("\\\\"))
            needed = old.note(NEEDED, image_id, volume_id)
        return Part(
            volume_id=volume_id,
            source=seat.path,
            destination=place.disk(volume_id),
            mark=place.note(MOVING, volume_id),
            base=base,
            needed=needed,
        )

    async def _require_reach(
        self, guest: Guest, target: Side, parts: Sequence[Part], doing: str
    ) -> None:
        """What stays where it is must be seen from there: shared disks, and images beneath."""
        going = {one.source for one in parts}
        stays = [seat.path for seat in guest.seats if seat.path and seat.path not in going]
        stays += [one.base for one in parts if one.base]
        for path in stays:
            if not await target.disks.is_there(path):
                raise Refused(
                    f"{doing}: {target.client.route} does not reach {path}: move the disk to a "
                    "pool that both reach first, or stop the guest and copy it"
                )

    async def _begin(self, parts: Sequence[Part], target: Side, doing: str) -> None:
        """Note what comes and what it rests on; what an earlier try left half copied goes."""
        for one in parts:
            if await target.disks.is_there(one.destination):
                if not await target.disks.is_there(one.mark):
                    raise Refused(f"{doing}: there is a file {one.destination} already")
                await target.files.gone(one.destination, about=one.volume_id, doing=doing)
            await target.client.order(note(one.mark), about=one.volume_id, doing=doing)
            if one.needed:
                await self._client.order(note(one.needed), about=one.volume_id, doing=doing)

    async def _abandon(self, parts: Sequence[Part], target: Side, doing: str) -> None:
        """Nothing of the copies is left; what says that they are none goes last."""
        for one in parts:
            with suppress(DriverError):
                for path in (one.destination, one.mark):
                    await target.files.gone(path, about=one.volume_id, doing=doing)
                if one.needed:
                    await self._files.gone(one.needed, about=one.volume_id, doing=doing)


def _hashes(parts: Sequence[Part]) -> list[dict[str, str]]:
    return [{"SourceFilePath": one.source, "DestinationFilePath": one.destination} for one in parts]
