"""Disks and cards plugged into a running guest, found again by the id in their alias."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from drivers.contract.compute import DiskLimits
from drivers.contract.errors import Refused, Unavailable
from drivers.libvirt.client import REMOVED, Client, Connection, Watch
from drivers.libvirt.errors import NOT_BEGUN
from drivers.libvirt.guests import active, running, suppress_gone
from drivers.libvirt.observe import Domain
from drivers.libvirt.translate import alias, cdrom_xml, every_tune

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
LOOK_AGAIN_S = 1.0
ASK_AGAIN_LOOKS = 5
BEGIN_LOOKS, BEGIN_S = 50, 0.1
# QEMU's word, and libxl's after ten seconds, for a guest that has not let go.
STILL_HELD = ("already in the process of unplug", "libxenlight failed to detach")


async def attach(client: Client, guest_id: UUID, thing: UUID, xml: str) -> None:
    """Plug in what `xml` says, unless a device with this id is plugged in already.

    A container that was only just started is asked again until libvirt knows its first process.
    """

    def work(connection: Connection) -> None:
        domain = running(connection, guest_id, verb="hot plug")
        if _plugged(domain, thing) is None:
            domain.attachDeviceFlags(xml, LIVE)

    doing = f"plug {thing} into guest {guest_id}"
    with client.watch(guest_id) as watch:
        for _ in range(BEGIN_LOOKS):
            try:
                return await client.change(work, about=guest_id, doing=doing)
            except Unavailable as early:
                if NOT_BEGUN not in str(early):
                    raise
            await watch.news(at_most_s=BEGIN_S)
        return await client.change(work, about=guest_id, doing=doing)


async def detach(client: Client, guest_id: UUID, thing: UUID, *, patience_s: float) -> None:
    """Ask the guest to let go and wait until it has. A guest that is gone has let go.

    A guest that still boots does not hear the question, so it is asked again.
    """
    doing = f"unplug {thing} from guest {guest_id}"
    with client.watch(guest_id) as watch:
        try:
            async with asyncio.timeout(patience_s):
                while await client.change(
                    lambda c: _ask(c, guest_id, thing), about=guest_id, doing=doing
                ):
                    if await _let_go(client, watch, guest_id, thing):
                        return
                return
        except TimeoutError:
            raise Unavailable(
                f"{doing}: the guest has not let go within {patience_s:g} s; is it still booting?"
            ) from None


async def _let_go(client: Client, watch: Watch, guest_id: UUID, thing: UUID) -> bool:
    for _ in range(ASK_AGAIN_LOOKS):
        if f"{REMOVED}{alias(thing)}" in watch.heard:
            return True
        await watch.news(at_most_s=LOOK_AGAIN_S)
        gone = await client.read(
            lambda connection: _is_gone(connection, guest_id, thing), doing=f"look for {thing}"
        )
        if gone:
            return True
    return False


def _ask(connection: Connection, guest_id: UUID, thing: UUID) -> bool:
    """Whether there is something to wait for."""
    domain = active(connection, guest_id)
    xml = _plugged(domain, thing) if domain is not None else None
    if domain is None or xml is None:
        return False
    try:
        domain.detachDeviceFlags(xml, LIVE)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_DEVICE_MISSING:
            return False
        if not any(words in str(error) for words in STILL_HELD):
            raise
    return True


def _is_gone(connection: Connection, guest_id: UUID, thing: UUID) -> bool:
    domain = active(connection, guest_id)
    return domain is None or _plugged(domain, thing) is None


def _plugged(domain: Any, thing: UUID) -> str | None:
    with suppress_gone():
        return Domain.read(domain.XMLDesc(0)).device(thing)
    return None


async def limit(client: Client, guest_id: UUID, volume_id: UUID, limits: DiskLimits) -> None:
    """Tell QEMU all limits of a disk, so that those which are 0 are lifted."""

    def work(connection: Connection) -> None:
        domain = active(connection, guest_id)
        xml = _plugged(domain, volume_id) if domain is not None else None
        if domain is None or active(connection, guest_id) is None:
            return
        target = None if xml is None else ET.fromstring(xml).find("target")
        if target is None:
            raise Refused(f"guest {guest_id} has no disk {volume_id}")
        domain.setBlockIoTune(target.get("dev", ""), every_tune(limits), LIVE)

    await client.change(work, about=guest_id, doing=f"limit disk {volume_id} of guest {guest_id}")


async def insert_disc(client: Client, guest_id: UUID, path: str) -> None:
    """Put a disc into the drive that every guest has; an empty path takes it out."""

    def work(connection: Connection) -> None:
        domain = running(connection, guest_id, verb="disc")
        if Domain.read(domain.XMLDesc(0)).cdrom_path != path:
            domain.updateDeviceFlags(cdrom_xml(path), LIVE | libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE)

    await client.change(work, about=guest_id, doing=f"change the disc of guest {guest_id}")


async def eject_disc(client: Client, guest_id: UUID, volume_id: UUID) -> bool:
    """Take the disc of this id out; False if the drive holds another or none."""

    def holds(connection: Connection) -> bool:
        if (domain := active(connection, guest_id)) is not None:
            with suppress_gone():
                path = Domain.read(domain.XMLDesc(0)).cdrom_path
                return str(volume_id) in path.rsplit("/", 1)[-1]
        return False

    if not await client.read(holds, doing=f"look into the drive of guest {guest_id}"):
        return False
    await insert_disc(client, guest_id, "")
    return True


async def grow(client: Client, volume_id: UUID, path: str, size_bytes: int) -> bool:
    """Grow the disk of a guest that runs here; False if no guest here holds it.

    One that was adopted is known to its guest by the name that its image had before.
    """

    def work(connection: Connection) -> bool:
        for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            with suppress_gone():
                state = Domain.read(domain.XMLDesc(0))
                target = state.target_of(path) or _target(state, volume_id)
                if target:
                    domain.blockResize(target, size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
                    return True
        return False

    return await client.change(work, about=volume_id, doing=f"grow {path}")


def _target(state: Domain, volume_id: UUID) -> str:
    """What libvirt calls a disk of ours in this guest; empty if it has none."""
    xml = None if state.guest_id is None else state.device(volume_id)
    target = None if xml is None else ET.fromstring(xml).find("target")
    return "" if target is None else target.get("dev", "")


def users(connection: Connection, path: str) -> list[Any]:
    """The running guests of this host, strangers too, that hold a file."""
    found = []
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        with suppress_gone():
            if path in Domain.read(domain.XMLDesc(0)).disk_paths:
                found.append(domain)
    return found
