"""Guests that no controller made, taken over as they are, and ours let go of.

Nothing of a VM changes but what is written in its `other_config` and its description, by which it
is found; what the description was before is kept, and comes back when it is let go of.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from drivers.contract.compute import Adoption, Power, Stranger, StrangerDisk, StrangerNic
from drivers.contract.errors import Refused
from drivers.xapi import marks, translate
from drivers.xapi.disks import FORMAT
from drivers.xapi.guests import Found, Guests
from drivers.xapi.marks import NULLS, PREFIX, Kind, Record
from drivers.xapi.observe import Pool, look
from drivers.xapi.translate import DESCRIPTION, MIB, POWER

DESCRIBED = f"{PREFIX}description"


async def survey(guests: Guests) -> list[Stranger]:
    pool = await look(guests.line, await guests.host())
    networks = await guests.line.call("network.get_all_records")
    return [
        _told(pool, ref, record, networks)
        for ref, record in pool.guests.items()
        if translate.guest_id_of(record) is None
    ]


def _told(pool: Pool, ref: str, record: Record, networks: Mapping[str, Record]) -> Stranger:
    disks = [
        StrangerDisk(
            label=device["device"] or f"xvd{chr(97 + int(device['userdevice']))}",
            path=pool.path(device),
            size_bytes=int(pool.vdis[device["VDI"]]["virtual_size"]),
            image_format=FORMAT,
        )
        for device in pool.devices(record)
        if device["type"] == "Disk" and device["VDI"] in pool.vdis
    ]
    cards = [pool.vifs[one] for one in record["VIFs"] if one in pool.vifs]
    return Stranger(
        name=record["name_label"],
        power=POWER.get(record["power_state"], Power.CRASHED),
        cpu_count=translate.cores(record, pool.metrics),
        memory_mib=int(record["memory_dynamic_max"]) // MIB,
        disks=tuple(disks),
        nics=tuple(
            StrangerNic(
                mac=card["MAC"],
                bridge=networks[card["network"]]["name_label"]
                if card["network"] in networks
                else "",
            )
            for card in cards
        ),
    )


async def adopt(guests: Guests, name: str, ask: Adoption, *, key: UUID) -> None:
    line = guests.line
    async with line.turn(Kind.GUEST, ask.guest_id):
        if await guests.anywhere(ask.guest_id) is not None:
            return
        vm, record = await _named(guests, name)
        disks, nics = dict(_turned(ask.disks)), dict(_turned(ask.nics))
        pool = await look(line, await guests.host())
        for ref in record["VBDs"]:
            device = pool.vbds.get(ref)
            if device is None or device["type"] != "Disk" or device["VDI"] in NULLS:
                continue
            volume = disks.get(pool.path(device)) or _volume_in(pool, device, ask)
            if volume is not None:
                lines = dict(device["other_config"]) | {marks.VOLUME: str(volume)}
                await line.call("VBD.set_other_config", ref, lines)
        for ref in record["VIFs"]:
            card = await line.call("VIF.get_record", ref)
            nic = nics.get(card["MAC"])
            if nic is not None:
                lines = dict(card["other_config"]) | {marks.NIC: str(nic)}
                await line.call("VIF.set_other_config", ref, lines)
        lines = translate.guest_lines(record, ask.guest_id, key)
        lines[DESCRIBED] = record["name_description"]
        await line.call("VM.set_affinity", vm, await guests.host())
        await line.call("VM.set_other_config", vm, lines)
        await line.call("VM.set_name_description", vm, DESCRIPTION.format(ask.guest_id))


def _turned(pairs: tuple[tuple[UUID, str], ...]) -> list[tuple[str, UUID]]:
    return [(text, thing) for thing, text in pairs]


def _volume_in(pool: Pool, device: Record, ask: Adoption) -> UUID | None:
    """A disk that was adopted before its guest has its new name already."""
    mark = marks.read(pool.vdis[device["VDI"]]) if device["VDI"] in pool.vdis else None
    known = {volume for volume, _ in ask.disks}
    return mark.id if mark is not None and mark.id in known else None


async def _named(guests: Guests, name: str) -> Found:
    """One VM that runs here by this name and is nobody's."""
    line, host = guests.line, await guests.host()
    found: list[Found] = []
    ours: list[Found] = []
    for ref in await line.call("VM.get_by_name_label", name):
        record = await line.call("VM.get_record", ref)
        if record["is_a_template"] or record["resident_on"] != host:
            continue
        (found if translate.guest_id_of(record) is None else ours).append((ref, record))
    if len(found) == 1:
        return found[0]
    if found:
        raise Refused(f"several guests of this host are called {name!r}: rename all but one")
    if ours:
        raise Refused(f"guest {name} is a controller's already")
    raise Refused(f"there is no guest {name} that runs on this XenServer")


async def disown(guests: Guests, guest_id: UUID) -> None:
    """It runs on, and is a stranger."""
    line = guests.line
    async with line.turn(Kind.GUEST, guest_id):
        found = await guests.here(guest_id)
        if found is None:
            return
        vm, record = found
        for ref in record["VBDs"]:
            device = await line.call("VBD.get_record", ref)
            if marks.VOLUME in device["other_config"]:
                lines = marks.without(device["other_config"])
                await line.call("VBD.set_other_config", ref, lines)
        for ref in record["VIFs"]:
            card = await line.call("VIF.get_record", ref)
            lines = marks.without(card["other_config"])
            await line.call("VIF.set_other_config", ref, lines)
        before = record["other_config"].get(DESCRIBED, "")
        lines = marks.without(record["other_config"])
        await line.call("VM.set_other_config", vm, lines)
        await line.call("VM.set_name_description", vm, before)
