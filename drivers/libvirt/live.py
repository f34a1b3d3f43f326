"""Disks of running guests copied by QEMU itself: a snapshot, or a move to another pool.

QEMU copies behind the guest's back and keeps the copy true to one moment (a backup) or to the
present (a mirror). Neither adds a layer to the disk: after a snapshot, and whatever fails on the
way, the guest runs from the very file that it had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from drivers.contract.errors import DriverError, Refused, Unavailable
from drivers.libvirt.client import Client, Connection, Work
from drivers.libvirt.guests import active, running, suppress_gone
from drivers.libvirt.hotplug import users
from drivers.libvirt.observe import Domain

LOOK_AGAIN_S = 0.2
ABORT_S = 15.0


def backup_xml(target: str, written: str) -> str:
    root = ET.Element("domainbackup", mode="push")
    disk = ET.SubElement(ET.SubElement(root, "disks"), "disk", name=target, type="file")
    disk.set("backup", "yes")
    ET.SubElement(disk, "driver", type="qcow2")
    ET.SubElement(disk, "target", file=written)
    return ET.tostring(root, encoding="unicode")


def mirror_xml(path: str) -> str:
    root = ET.Element("disk", type="file")
    ET.SubElement(root, "driver", type="qcow2")
    ET.SubElement(root, "source", file=path)
    return ET.tostring(root, encoding="unicode")


async def backup(
    client: Client, snapshot_id: UUID, path: str, written: str, *, limit_s: float
) -> bool:
    """Copy the disk at `path` as it is now into `written`; False if no guest here uses it."""
    doing = f"snapshot {path}"

    def begin(connection: Connection) -> UUID | None:
        for domain in users(connection, path):
            state = Domain.read(domain.XMLDesc(0))
            if domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
                if written in _backup_of(domain):
                    domain.abortJob()  # What an earlier life began: nobody waited for its end.
                raise Unavailable(f"{doing}: its guest is being copied or moved now")
            domain.backupBegin(backup_xml(state.target_of(path), written), None, 0)
            return UUID(domain.UUIDString())
        return None

    guest_id = await client.change(begin, about=snapshot_id, doing=doing)
    if guest_id is None:
        return False
    ended = False
    try:
        async with asyncio.timeout(limit_s):
            await _until(client, guest_id, lambda c: _is_over(c, guest_id), doing)
        ended = True
    except TimeoutError:
        raise Unavailable(f"{doing}: not copied within {limit_s:g} s") from None
    finally:
        if not ended:
            await _stop_backup(client, guest_id, written)
    complaint = await client.read(lambda c: _complaint(c, guest_id), doing=doing)
    if complaint:
        raise Unavailable(f"{doing}: {complaint}")
    return True


async def _until(client: Client, guest_id: UUID, holds: Work[bool], doing: str) -> None:
    """Look again and again: QEMU's jobs tell nobody here when they end."""
    with client.watch(guest_id) as watch:
        while not await client.read(holds, doing=doing):
            await watch.news(at_most_s=LOOK_AGAIN_S)


def _backup_of(domain: Any) -> str:
    try:
        return str(domain.backupGetXMLDesc(0))
    except libvirt.libvirtError:
        return ""


def _is_over(connection: Connection, guest_id: UUID) -> bool:
    domain = active(connection, guest_id)
    return domain is None or domain.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE


def _complaint(connection: Connection, guest_id: UUID) -> str:
    """Why the backup that has just ended is not whole; empty if it is."""
    domain = active(connection, guest_id)
    if domain is None:
        return "its guest ended meanwhile"
    told = domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    if told.get("operation") != libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP:
        return "libvirt does not say how it ended"
    return "" if told.get("success") else str(told.get("errmsg") or "it was broken off")


async def _stop_backup(client: Client, guest_id: UUID, written: str) -> None:
    def stop(connection: Connection) -> None:
        with suppress_gone():
            domain = active(connection, guest_id)
            if domain is not None and written in _backup_of(domain):
                domain.abortJob()

    async with asyncio.timeout(ABORT_S):
        await client.read(stop, doing="break off a backup")


def path_of(connection: Connection, guest_id: UUID, volume_id: UUID) -> tuple[str, str]:
    """From which image a running guest has a disk of ours, and where that is being copied to."""
    domain = running(connection, guest_id, verb="move of a disk")
    state = Domain.read(domain.XMLDesc(0))
    xml = state.device(volume_id)
    source = None if xml is None else ET.fromstring(xml).find("source")
    if source is None:
        raise Refused(f"guest {guest_id} has no disk {volume_id}")
    path = source.get("file", "")
    return path, state.mirror_of(path)[0]


async def mirror(
    client: Client,
    guest_id: UUID,
    volume_id: UUID,
    path: str,
    target: str,
    *,
    limit_s: float,
    is_there: Callable[[], Awaitable[bool]],
) -> None:
    """Copy the guest's disk to `target` while it runs, and let it go on from there.

    It goes on only from a file that has its name: of one that lost it nothing would be left.
    """
    doing = f"move disk {volume_id} of guest {guest_id} to {target}"

    def begin(connection: Connection) -> None:
        domain = running(connection, guest_id, verb="move of a disk")
        state = Domain.read(domain.XMLDesc(0))
        going, _ = state.mirror_of(path)
        if going == target:
            return  # An earlier life began it.
        if going:
            raise Unavailable(f"{doing}: it moves to {going} now")
        domain.blockCopy(state.target_of(path), mirror_xml(target), None, 0)

    def is_ready(connection: Connection) -> bool:
        domain = running(connection, guest_id, verb="move of a disk")
        going, ready = Domain.read(domain.XMLDesc(0)).mirror_of(path)
        if going != target:
            raise Unavailable(f"{doing}: the copy was broken off")
        return ready

    def change_over(connection: Connection) -> None:
        domain = running(connection, guest_id, verb="move of a disk")
        name = Domain.read(domain.XMLDesc(0)).target_of(path)
        domain.blockJobAbort(name, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)

    try:
        await client.change(begin, about=volume_id, doing=doing)
        async with asyncio.timeout(limit_s):
            await _until(client, guest_id, is_ready, doing)
        if not await is_there():
            raise Unavailable(f"{doing}: the copy is gone, it is begun anew")
        await client.change(change_over, about=volume_id, doing=doing)
    except TimeoutError:
        await _broken_off(client, volume_id, path, target)
        raise Unavailable(f"{doing}: not copied within {limit_s:g} s") from None
    except (DriverError, asyncio.CancelledError):
        await _broken_off(client, volume_id, path, target)
        raise


async def _broken_off(client: Client, volume_id: UUID, path: str, target: str) -> None:
    """Whoever asks again finds a copy that could not be broken off, and goes on with it."""
    with suppress(DriverError):
        await give_up(client, path, target, about=volume_id)


async def give_up(client: Client, path: str, target: str, *, about: UUID) -> None:
    """Break off a copy of the disk at `path` (any, if empty) to `target`, if there is one.

    A beginning or a change over that nobody waits for any more has ended first.
    """

    def stop(connection: Connection) -> None:
        for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            with suppress_gone():
                state = Domain.read(domain.XMLDesc(0))
                for held in state.disk_paths:
                    if path in ("", held) and state.mirror_of(held)[0] == target:
                        domain.blockJobAbort(state.target_of(held), 0)

    try:
        async with asyncio.timeout(ABORT_S):
            await client.change(stop, about=about, doing=f"break off a copy to {target}")
    except TimeoutError:
        raise Unavailable(
            f"a copy to {target} is not broken off within {ABORT_S:g} s: ask again"
        ) from None
