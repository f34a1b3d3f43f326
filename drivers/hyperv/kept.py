"""Snapshots of whole guests: what a checkpoint held for a moment, kept in the pools of their disks.

Hyper-V's checkpoint is of one machine on one host, and is lost when that goes. So it only holds
the guest still: its disks are copied, with memory the machine is exported beside them, and then the
checkpoint is merged away. A guest therefore never runs from a chain that another host does not
know, and what is kept can be returned to after it was stopped, moved or started elsewhere.

`kept\\<snapshot>` has a file for each disk that lies in that pool, and `machine`, what was
exported, which comes last: with it all is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ntpath import basename, dirname
from uuid import UUID

from drivers.contract.compute import DiskAttachment
from drivers.contract.errors import Refused
from drivers.hyperv import cluster, errors, translate
from drivers.hyperv.client import Client
from drivers.hyperv.copies import CHECKPOINT, Copies
from drivers.hyperv.disks import Disks
from drivers.hyperv.files import Files, listing, move, note
from drivers.hyperv.guests import Guests
from drivers.hyperv.observe import Observer
from drivers.hyperv.places import BACK, folder_above, place_around, same
from drivers.hyperv.translate import OFF, Guest, Note, by_id, home_in, read_note
from drivers.hyperv.words import ask, cmd, do

MACHINE = "machine"


class Kept:
    def __init__(
        self,
        client: Client,
        files: Files,
        disks: Disks,
        observer: Observer,
        copies: Copies,
        guests: Guests,
        *,
        copy_s: float,
    ) -> None:
        self._client, self._files, self._disks = client, files, disks
        self._observer, self._copies, self._guests = observer, copies, guests
        self._copy_s = copy_s

    async def keep(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
    ) -> None:
        doing, held = f"snapshot guest {guest_id}", _held(disks)
        guest = await self._observer.idle(guest_id, limit_s=self._copy_s)
        if with_memory:
            if guest is None or not guest.runs:
                raise Refused(f"{doing} with its memory: it does not run on {self._client.route}")
            _require_one_folder(held, doing)
        user = guest if guest is not None and guest.state != OFF else None
        for disk in held:
            if user is not None and user.seat_at(disk.path) is None:
                raise Refused(f"{doing}: it has no disk {disk.volume_id}")
        if await self._is_whole(snapshot_id, held, with_memory=with_memory, doing=doing):
            if user is not None:
                await self._copies.let_go(user, snapshot_id, doing)
            return
        await self._discard(snapshot_id, held, doing)  # it is of another moment
        if user is None:
            await self._copy({disk.volume_id: disk.path for disk in held}, snapshot_id, held, doing)
        else:
            await self._keep_alive(user, snapshot_id, held, with_memory=with_memory, doing=doing)

    async def _keep_alive(
        self,
        guest: Guest,
        snapshot_id: UUID,
        held: Sequence[DiskAttachment],
        *,
        with_memory: bool,
        doing: str,
    ) -> None:
        """All of it is from one checkpoint, which is gone when this returns."""
        kind = "Standard" if with_memory else "Production"
        try:
            still = {}
            for disk in held:
                still[disk.volume_id] = await self._copies.hold(
                    guest, disk.path, disk.volume_id, snapshot_id, doing, kind=kind
                )
            await self._copy(still, snapshot_id, held, doing)
            if with_memory:
                await self._export(guest, snapshot_id, held[0].path, doing)
        finally:
            await self._copies.let_go(guest, snapshot_id, doing)

    async def _copy(
        self,
        sources: dict[UUID, str],
        snapshot_id: UUID,
        held: Sequence[DiskAttachment],
        doing: str,
    ) -> None:
        for disk in held:
            folder = place_around(disk.path).kept(snapshot_id)
            made = do(cmd("New-Item", "Force", Path=folder, ItemType="Directory"))
            await self._client.order(made, about=snapshot_id, doing=doing)
            await self._copies.lay(
                sources[disk.volume_id], f"{folder}\\{disk.volume_id}.vhdx", snapshot_id, doing
            )

    async def _export(self, guest: Guest, snapshot_id: UUID, path: str, doing: str) -> None:
        """The machine and its memory; its disks, which are exported too, are kept already."""
        place = place_around(path)
        new = place.incoming(snapshot_id, MACHINE)
        found = cmd("Get-VMCheckpoint", Name=f"{CHECKPOINT}{snapshot_id}")
        out = do(by_id(guest.vm_id), found, cmd("Export-VMCheckpoint", Path=new))
        try:
            await self._client.raw(out, about=snapshot_id, doing=doing, timeout_s=self._copy_s)
            machine = await self._machine_in(new, doing)
            if not machine:
                raise Refused(f"{doing}: Hyper-V has exported no machine")
            copies = f"{dirname(dirname(machine))}\\Virtual Hard Disks"
            await self._files.swept(copies, about=snapshot_id, doing=doing)
            whole = move(new, f"{place.kept(snapshot_id)}\\{MACHINE}")
            await self._client.raw(whole, about=snapshot_id, doing=doing)
        except errors.CommandFailed as failed:
            await self._files.swept(new, about=snapshot_id, doing=doing)
            raise errors.of_command(failed, doing=doing) from failed

    async def _machine_in(self, folder: str, doing: str) -> str:
        """The file that describes an exported machine."""
        told = await self._client.ask(listing(folder, "*.vmcx", deep=True), doing=doing)
        return str(told[0][0]["FullName"]) if told[0] else ""

    async def _is_whole(
        self, snapshot_id: UUID, held: Sequence[DiskAttachment], *, with_memory: bool, doing: str
    ) -> bool:
        for disk in held:
            if not await self._disks.is_there(_kept_of(disk, snapshot_id)):
                return False
        if not with_memory:
            return True
        folder = place_around(held[0].path).kept(snapshot_id)
        return bool(await self._machine_in(f"{folder}\\{MACHINE}", doing))

    async def revert(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
        key: UUID,
    ) -> None:
        doing, held = f"revert guest {guest_id}", _held(disks)
        guest = await self._observer.idle(guest_id, limit_s=self._copy_s)
        if not await self._is_whole(snapshot_id, held, with_memory=with_memory, doing=doing):
            raise Refused(f"{doing}: its disks keep no snapshot {snapshot_id}")
        if with_memory:
            await self._revert_alive(guest, guest_id, snapshot_id, held, key, doing)
            return
        if guest is not None and guest.state != OFF:
            raise Refused(f"{doing}: it runs: its disks alone go back when it is off")
        for disk in held:
            kept = _kept_of(disk, snapshot_id)
            await self._copies.put_back(kept, disk.path, disk.volume_id, doing)

    async def _revert_alive(
        self,
        guest: Guest | None,
        guest_id: UUID,
        snapshot_id: UUID,
        held: Sequence[DiskAttachment],
        key: UUID,
        doing: str,
    ) -> None:
        """A note says that it has begun: from there on the guest may be missing meanwhile."""
        place = place_around(held[0].path)
        mark = place.note(BACK, guest_id, snapshot_id)
        begun = await self._disks.is_there(mark)
        is_back = guest is not None and guest.runs and guest.note and guest.note.key == key
        if not is_back:
            if not begun and (guest is None or not guest.runs):
                raise Refused(f"{doing}: it does not run on {self._client.route}: start it first")
            await self._client.order(note(mark), about=guest_id, doing=doing)
            try:
                await self._replace(guest, guest_id, snapshot_id, held, key, doing)
            except Refused:
                await self._files.gone(mark, about=guest_id, doing=doing)
                raise
        await self._files.gone(mark, about=guest_id, doing=doing)

    async def _replace(
        self,
        guest: Guest | None,
        guest_id: UUID,
        snapshot_id: UUID,
        held: Sequence[DiskAttachment],
        key: UUID,
        doing: str,
    ) -> None:
        """The machine that runs gives way to the one that was exported, which goes on."""
        place = place_around(held[0].path)
        folder = place.kept(snapshot_id)
        machine = await self._machine_in(f"{folder}\\{MACHINE}", doing)
        if guest is not None:  # its folder stays: the disc with its user data lies there
            await self._guests.remove(guest_id, with_home=False)
        facts = await self._disks.look(*(disk.path for disk in held))
        for disk in held:
            await self._files.gone(disk.path, about=guest_id, doing=doing)
        home = home_in(f"{folder_above(held[0].path)}\\machines", guest_id)
        brought = cmd(
            "Import-VM",
            "Copy",
            Path=machine,
            VhdSourcePath=folder,
            VhdDestinationPath=dirname(held[0].path),
            VirtualMachinePath=home,
            SnapshotFilePath=home,
        )
        try:
            born = await self._client.raw(
                ask(brought, properties=("Id", "Name", "Notes")),
                about=guest_id,
                doing=doing,
                timeout_s=self._copy_s,
            )
        except errors.CommandFailed as failed:
            for disk in held:
                kept = _kept_of(disk, snapshot_id)
                await self._copies.put_back(kept, disk.path, disk.volume_id, doing)
            raise errors.of_command(failed, doing=doing) from failed
        for disk in held:
            base = facts.get(disk.path.lower(), {}).get("ParentPath") or ""
            await self._disks.no_longer_needed(place, base, disk.volume_id)
        told, vm = born[0][0], by_id(str(born[0][0]["Id"]))
        notes = _renewed(told["Notes"] or "", str(told["Name"]), guest_id, key)
        steps = (do(vm, cmd("Set-VM", Notes=notes)), do(vm, cmd("Start-VM")))
        await self._client.order(*steps, about=guest_id, doing=doing)
        if await cluster.name(self._client):
            await cluster.add_role(self._client, guest_id, str(told["Id"]))

    async def forget(
        self, guest_id: UUID, snapshot_id: UUID, disks: tuple[DiskAttachment, ...]
    ) -> None:
        doing = f"forget snapshot {snapshot_id} of guest {guest_id}"
        guest = await self._observer.idle(guest_id, limit_s=self._copy_s)
        if guest is not None and guest.state != OFF:
            await self._copies.let_go(guest, snapshot_id, doing)
        await self._discard(snapshot_id, _held(disks), doing)

    async def _discard(self, snapshot_id: UUID, held: Sequence[DiskAttachment], doing: str) -> None:
        for folder in {place_around(disk.path).kept(snapshot_id) for disk in held}:
            await self._files.swept(folder, about=snapshot_id, doing=doing)


def _held(disks: tuple[DiskAttachment, ...]) -> list[DiskAttachment]:
    return [disk for disk in disks if not disk.is_cdrom]


def _kept_of(disk: DiskAttachment, snapshot_id: UUID) -> str:
    return f"{place_around(disk.path).kept(snapshot_id)}\\{disk.volume_id}.vhdx"


def _require_one_folder(held: Sequence[DiskAttachment], doing: str) -> None:
    """A machine with its memory is brought back with all of its disks into one folder."""
    folders = {dirname(disk.path).lower() for disk in held}
    named = all(same(basename(disk.path), f"{disk.volume_id}.vhdx") for disk in held)
    if len(folders) != 1 or not named:
        raise Refused(
            f"{doing} with its memory: its disks lie in several pools, or are a stranger's that "
            "were adopted: move them to one pool, or keep it without its memory"
        )


def _renewed(notes: str, name: str, guest_id: UUID, key: UUID) -> str:
    """What the notes said at that time, and by which call the guest came back."""
    known = read_note(notes, name) or Note(guest_id=guest_id)
    lines = (translate.without_note(notes), replace(known, key=key).text())
    return "\n".join(line for line in lines if line)
