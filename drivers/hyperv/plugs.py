"""What is plugged into a guest that runs, and taken out of it."""

from __future__ import annotations

from uuid import UUID

from drivers.contract.compute import DiskAttachment, DiskLimits, NicSpec
from drivers.contract.errors import Refused
from drivers.hyperv import translate
from drivers.hyperv.client import Client
from drivers.hyperv.guests import WAIT_S, Guests
from drivers.hyperv.observe import Observer
from drivers.hyperv.translate import Guest, by_id
from drivers.hyperv.words import cmd, do


class Plugs:
    def __init__(self, client: Client, observer: Observer, guests: Guests) -> None:
        self._client, self._observer, self._guests = client, observer, guests

    async def attach_disk(self, guest_id: UUID, disk: DiskAttachment) -> None:
        guest = await self._running(guest_id, "attach a disk")
        if guest.seat_at(disk.path) is not None and not disk.is_cdrom:
            return
        doing = f"attach disk {disk.volume_id} to guest {guest_id}"
        step = translate.plug_into(guest.vm_id, guest.generation, disk)
        await self._client.order(step, about=guest_id, doing=doing)

    async def limit_disk(self, guest_id: UUID, volume_id: UUID, limits: DiskLimits) -> None:
        guest = await self._observer.idle(guest_id, limit_s=WAIT_S)
        if guest is None or not guest.runs:
            return
        doing, seat = f"limit disk {volume_id}", guest.seat_of(volume_id)
        if seat is None:
            raise Refused(f"{doing}: guest {guest_id} has no such disk")
        most = cmd("Set-VMHardDiskDrive", MaximumIOPS=translate.iops(limits))
        await self._client.order(
            do(by_id(guest.vm_id), seat.find(), most), about=guest_id, doing=doing
        )

    async def detach_disk(self, guest_id: UUID, volume_id: UUID) -> None:
        guest = await self._observer.idle(guest_id, limit_s=WAIT_S)
        seat = guest.seat_of(volume_id) if guest is not None else None
        if guest is None or seat is None:
            return
        if seat.controller == "IDE" and guest.runs:
            raise Refused(f"guest {guest_id} starts from disk {volume_id}: stop it first")
        out = do(by_id(guest.vm_id), seat.find(), cmd("Remove-VMHardDiskDrive"))
        await self._client.order(
            out, about=guest_id, doing=f"detach disk {volume_id} from guest {guest_id}"
        )

    async def attach_nic(self, guest_id: UUID, nic: NicSpec) -> None:
        guest = await self._running(guest_id, "attach a network card")
        if any(card["Name"] == str(nic.nic_id) for card in guest.cards):
            return
        self._require_second(guest, "gets")
        switch = nic.bridge or await self._guests.outside()
        steps = translate.plug_nic(guest.vm_id, nic, switch)
        doing = f"attach network card {nic.nic_id} to guest {guest_id}"
        await self._client.order(*steps, about=guest_id, doing=doing)

    async def detach_nic(self, guest_id: UUID, nic_id: UUID) -> None:
        guest = await self._observer.idle(guest_id, limit_s=WAIT_S)
        card = _card(guest, nic_id) if guest is not None else ""
        if guest is None or not card:
            return
        self._require_second(guest, "loses")
        doing = f"detach network card {nic_id} from guest {guest_id}"
        found = cmd("Get-VMNetworkAdapter", Name=card)
        out = do(by_id(guest.vm_id), found, cmd("Remove-VMNetworkAdapter"))
        await self._client.order(out, about=guest_id, doing=doing)

    async def _running(self, guest_id: UUID, verb: str) -> Guest:
        return await self._observer.running(guest_id, verb=verb, limit_s=WAIT_S)

    def _require_second(self, guest: Guest, does: str) -> None:
        if guest.generation == 1 and guest.runs:
            raise Refused(
                f"guest {guest.name} is of generation 1 (it starts by BIOS), which {does} no "
                "network card while it runs: stop it first, or start it by UEFI"
            )


def _card(guest: Guest, nic_id: UUID) -> str:
    """The card's name: our id, or for an adopted one whatever bears its MAC."""
    mac = guest.note.nics.get(nic_id, "") if guest.note else ""
    wanted = mac.replace(":", "").upper()
    for card in guest.cards:
        if card["Name"] == str(nic_id) or (wanted and card["MacAddress"].upper() == wanted):
            return str(card["Name"])
    return ""
