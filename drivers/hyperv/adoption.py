"""Guests that no controller made, known from now on by a line in their notes; and let go of."""

from __future__ import annotations

from uuid import UUID

from drivers.contract.compute import Adoption, Stranger, StrangerDisk, StrangerNic
from drivers.contract.errors import Refused
from drivers.hyperv import translate
from drivers.hyperv.client import Client
from drivers.hyperv.disks import VHDX, Disks
from drivers.hyperv.observe import Observer
from drivers.hyperv.places import settled
from drivers.hyperv.translate import Guest, Note, by_id
from drivers.hyperv.words import cmd, do


async def survey(observer: Observer, disks: Disks) -> list[Stranger]:
    strangers = [guest for guest in await observer.all() if guest.note is None]
    paths = [settled(seat.path) for guest in strangers for seat in guest.seats if seat.path]
    sizes = {path: int(one["Size"]) for path, one in (await disks.look(*paths)).items()}
    return [_described(guest, sizes) for guest in strangers]


def _described(guest: Guest, sizes: dict[str, int]) -> Stranger:
    held = []
    for seat in guest.seats:
        path = settled(seat.path)
        if path:
            label = f"{seat.controller} {seat.number}:{seat.location}"
            known = sizes.get(path.lower())
            kind = VHDX if path.lower().endswith(f".{VHDX}") else "unknown"
            held.append(
                StrangerDisk(label=label, path=path, size_bytes=known or 0, image_format=kind)
            )
    nics = [
        StrangerNic(mac=_mac(card["MacAddress"] or ""), bridge=card["SwitchName"] or "")
        for card in guest.cards
    ]
    return Stranger(
        name=guest.name,
        power=guest.power,
        cpu_count=guest.cpu_count,
        memory_mib=guest.memory_mib,
        disks=tuple(held),
        nics=tuple(nics),
    )


async def adopt(
    client: Client, observer: Observer, stranger: str, ask: Adoption, *, key: UUID
) -> None:
    guests, doing = await observer.all(), f"adopt guest {stranger}"
    if any(one.note is not None and one.note.guest_id == ask.guest_id for one in guests):
        return
    named = [one for one in guests if one.name == stranger]
    free = [one for one in named if one.note is None]
    if not free:
        why = "it is a controller's already" if named else "there is none of this name"
        raise Refused(f"{doing} on {client.route}: {why}")
    if len(free) > 1:
        raise Refused(f"{doing}: {len(free)} guests bear this name: rename all but one")
    if not free[0].runs:
        raise Refused(f"{doing}: it does not run: start it first")
    note = Note(
        guest_id=ask.guest_id,
        key=key,
        disks={volume_id: settled(path) for volume_id, path in ask.disks},
        nics=dict(ask.nics),
    )
    lines = [line for line in (translate.without_note(free[0].notes), note.text()) if line]
    noted = cmd("Set-VM", Notes="\n".join(lines))
    await client.order(do(by_id(free[0].vm_id), noted), about=ask.guest_id, doing=doing)


async def disown(client: Client, observer: Observer, guest_id: UUID) -> None:
    guest = await observer.find(guest_id)
    if guest is not None:
        noted = cmd("Set-VM", Notes=translate.without_note(guest.notes))
        await client.order(
            do(by_id(guest.vm_id), noted), about=guest_id, doing=f"let guest {guest_id} go"
        )


def _mac(text: str) -> str:
    """As others write it: in pairs, with colons."""
    plain = text.replace("-", "").replace(":", "").lower()
    return ":".join(plain[at : at + 2] for at in range(0, len(plain), 2))
