"""A running guest moved to another host while it goes on running.

Where the two hosts' libvirt can talk to each other (`qemu+tcp`, `qemu+tls`), the source drives it
(peer to peer), and our own death changes nothing. Over SSH the hosts have no way in to each other,
so we carry the handshake between our two connections; the memory still flows from host to host.

libxl holds a guest on both hosts from the first call of its move to the last: whoever carries the
handshake and dies leaves it standing still on both, under locks that nobody lets go of. So we never
carry it for Xen (ADR 47). Nor does libxl break a move off, or look whether disks are shared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from drivers.contract.errors import DriverError, Refused, Unavailable
from drivers.libvirt.client import Client, Connection
from drivers.libvirt.errors import STILL_BOOTS
from drivers.libvirt.guests import lookup, suppress_gone
from drivers.libvirt.hardware import kept_beside
from drivers.libvirt.observe import Domain
from drivers.libvirt.translate import alias

FLAGS = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
ABORT_S = 15.0
BOOT_ASKS, BOOT_S = 12, 5.0
NOT_BY_US = (
    "Xen guests move where the libvirt of one host speaks with that of the other: "
    "add both hosts by xen+tls:// (or xen+tcp://), or stop the guest and start it there"
)


async def migrate(
    source: Client,
    target: Client,
    guest_id: UUID,
    *,
    peer_uri: str,
    data_host: str,
    shared_folders: frozenset[str],
    limit_s: float,
    copies: Mapping[UUID, str] = MappingProxyType({}),
    by_libxl: bool = False,
) -> None:
    """Move the guest, and by `copies` the disks that go along, each to its path on the target.

    Runs there already and not here: moved. `Refused` leaves it here.

    `peer_uri` is the target as the source's libvirt dials it, and `data_host` where the guest's
    memory flows to; empty leaves either to libvirt's own configuration.
    """
    doing = f"migrate guest {guest_id}"
    there = await target.read(lambda connection: runs(connection, guest_id), doing=doing)
    here = await source.read(lambda connection: lookup(connection, guest_id), doing=doing)
    if here is None:
        if there:
            return
        raise Refused(f"guest {guest_id} does not run here: nothing to migrate")
    if by_libxl and not peer_uri:
        raise Refused(NOT_BY_US)
    handle = None if peer_uri else await target.read(lambda connection: connection, doing=doing)

    where = {libvirt.VIR_MIGRATE_PARAM_URI: f"tcp://{data_host}"} if data_host else {}

    def work(connection: Connection) -> None:
        domain = connection.lookupByUUIDString(str(guest_id))
        along, ask = _along(domain, copies)
        if by_libxl:
            _must_be_shared(domain, shared_folders)
            flags = libvirt.VIR_MIGRATE_LIVE
        else:
            flags = FLAGS | _unsafe(domain, shared_folders, without=along)
        if copies:
            flags |= libvirt.VIR_MIGRATE_NON_SHARED_DISK
        if peer_uri:
            domain.migrateToURI3(peer_uri, where | ask, flags | libvirt.VIR_MIGRATE_PEER2PEER)
        else:
            domain.migrate3(handle, where | ask, flags)

    async def move() -> None:
        await source.change(work, about=guest_id, doing=doing, timeout_s=limit_s)

    try:
        await (_once_booted(source, guest_id, move) if by_libxl else move())
    except (DriverError, asyncio.CancelledError) as error:
        await _settle(source, target, guest_id, error, breaks_off=not by_libxl)
    if not await target.read(lambda connection: runs(connection, guest_id), doing=doing):
        raise Unavailable(f"{doing}: libvirt says moved, but it does not run there")


async def _once_booted(source: Client, guest_id: UUID, move: Callable[[], Awaitable[None]]) -> None:
    """Xen moves no guest whose kernel is just starting: ask again for as long as that may take."""
    with source.watch(guest_id) as watch:
        for left in reversed(range(BOOT_ASKS)):
            try:
                await move()
            except Unavailable as error:
                if STILL_BOOTS not in str(error) or not left:
                    raise
            else:
                return
            await watch.news(at_most_s=BOOT_S)


async def _settle(
    source: Client, target: Client, guest_id: UUID, error: BaseException, *, breaks_off: bool
) -> None:
    """After an error look where the guest is: only one that left counts as moved."""
    if isinstance(error, asyncio.CancelledError):
        if not breaks_off:
            raise error
        async with asyncio.timeout(ABORT_S):
            await source.read(lambda connection: _abort(connection, guest_id), doing="abort")
        raise error
    doing = f"look for guest {guest_id} after a failed migration"
    here = await source.read(lambda connection: runs(connection, guest_id), doing=doing)
    there = await target.read(lambda connection: runs(connection, guest_id), doing=doing)
    if here or not there:
        raise error


def _abort(connection: Connection, guest_id: UUID) -> None:
    with suppress_gone():
        domain: Any = lookup(connection, guest_id)
        if domain is not None:
            domain.abortJob()


def runs(connection: Connection, guest_id: UUID) -> bool:
    with suppress_gone():
        domain = lookup(connection, guest_id)
        return domain is not None and domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
    return False


def root_of(connection: Connection, guest_id: UUID) -> str:
    """The image of its first disk; empty if it is not there."""
    domain = lookup(connection, guest_id)
    paths = () if domain is None else Domain.read(domain.XMLDesc(0)).written_paths
    return paths[0] if paths else ""


def bridges_of(connection: Connection, guest_id: UUID) -> tuple[str, ...]:
    """The bridges that its cards are plugged into."""
    with suppress_gone():
        domain = lookup(connection, guest_id)
        return () if domain is None else Domain.read(domain.XMLDesc(0)).bridges
    return ()


def _along(domain: Any, copies: Mapping[UUID, str]) -> tuple[frozenset[str], dict[str, Any]]:
    """The images that are copied on the way, and how libvirt is told so.

    The target runs the guest from a description in which the copies stand for their disks.
    """
    if not copies:
        return frozenset(), {}
    root = ET.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE))
    paths, targets = set(), []
    for disk in root.findall("devices/disk"):
        name, source, target = disk.find("alias"), disk.find("source"), disk.find("target")
        thing = "" if name is None else name.get("name", "")
        path = next((path for one, path in copies.items() if alias(one) == thing), None)
        if path is None or source is None or target is None:
            continue
        paths.add(old := source.get("file", ""))
        source.set("file", path)
        nvram = root.find("os/nvram")
        if nvram is not None and nvram.text == kept_beside(old, "fd"):
            nvram.text = kept_beside(path, "fd")
        for chain in disk.findall("backingStore"):
            disk.remove(chain)
        targets.append(target.get("dev", ""))
    if len(targets) != len(copies):
        raise Refused(f"guest {domain.name()} has not all of the disks that shall go along")
    return frozenset(paths), {
        libvirt.VIR_MIGRATE_PARAM_DEST_XML: ET.tostring(root, encoding="unicode"),
        libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS: targets,
    }


def _unsafe(domain: Any, shared_folders: frozenset[str], *, without: frozenset[str]) -> int:
    """Overrule libvirt's guess about shared storage only where the operator knows better.

    libvirt takes any file system that it does not know as a cluster's for a local one, and would
    refuse. That every disk which is written to lies in a folder that all hosts share makes it safe.
    """
    held = Domain.read(domain.XMLDesc(0)).written_paths
    paths = [one for one in held if one not in without]
    return libvirt.VIR_MIGRATE_UNSAFE if paths and not _apart(paths, shared_folders) else 0


def _must_be_shared(domain: Any, shared_folders: frozenset[str]) -> None:
    apart = _apart(Domain.read(domain.XMLDesc(0)).disk_paths, shared_folders)
    if apart:
        raise Refused(
            f"{apart[0]} lies in no folder that the hosts share: a Xen guest moves while it runs "
            "from pools with a URL of SharedMountPoint://"
        )


def _apart(paths: Iterable[str], shared_folders: frozenset[str]) -> list[str]:
    """Those that lie in no folder that all hosts share."""
    return [one for one in paths if not any(one.startswith(f"{at}/") for at in shared_folders)]
