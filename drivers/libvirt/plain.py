"""Sessions with hosts whose guests have no QEMU: containers, and paravirtual guests of Xen.

What their kind cannot do is refused with the kind's reason; what is left is done by libvirt's
plainest calls. Their parts have no aliases, so that what is plugged in is noted in the metadata.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID, uuid5
from xml.etree import ElementTree as ET

import libvirt

from drivers.contract.compute import (
    DiskAttachment,
    DiskMove,
    GuestSpec,
    GuestStatus,
    HostAddress,
    HostFacts,
    NicSpec,
)
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import DiskStatus, PoolSpec, SnapshotStatus
from drivers.libvirt import guests, hotplug, segments
from drivers.libvirt.begun import begun
from drivers.libvirt.client import Connection
from drivers.libvirt.guests import running, suppress_gone
from drivers.libvirt.kinds import Kind
from drivers.libvirt.line import Line
from drivers.libvirt.observe import Domain
from drivers.libvirt.profile import HostProfile
from drivers.libvirt.restart import restart
from drivers.libvirt.session import LibvirtSession
from drivers.libvirt.translate import NAMESPACE

log_ = logging.getLogger("sagastack.libvirt")

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
STARTS_MORE = 2
LINK = """
while [ $# -gt 0 ]; do
  mkdir -p -- "${1%/*}" && ln -sfnT -- "$2" "$1" || exit 1
  shift 2
done
"""
PART = f"{{{NAMESPACE}}}part"


class PlainSession(LibvirtSession):
    def __init__(self, line: Line, kind: Kind, *, forget: Callable[[LibvirtSession], None]) -> None:
        super().__init__(line, kind, forget=forget)
        for verb, why in kind.capabilities.cannot.items():
            if hasattr(type(self), verb):
                setattr(self, verb, _refusing(kind.name, why))

    async def start_guest(self, spec: GuestSpec, *, key: UUID) -> GuestStatus:
        """Its disks are linked first, for those that are told of disks by short names."""
        _, host = await self._host()
        links = self._kind.words.links(spec, host)
        if words := [word for link, disk in links.items() for word in (link, disk.path)]:
            done = await self._line.shell.run("sh", "-uc", LINK, "sh", *words)
            if done.code:
                raise Unavailable(f"guest {spec.name}: link its disks: {done.complaint}")
        return await super().start_guest(spec, key=key)

    async def _started(
        self, spec: GuestSpec, host: HostProfile, known: HostFacts, *, key: UUID
    ) -> GuestStatus:
        """A container whose first process libvirt does not hear of is started anew at once.

        One that ran before is left alone, whatever libvirt knows of it.
        """
        if not self._kind.has_first_process:
            return await super()._started(spec, host, known, key=key)
        ran = await guests.find(self.client, spec.guest_id) is not None
        started = await super()._started(spec, host, known, key=key)
        if ran:
            return started
        for _ in range(STARTS_MORE):
            if await begun(self.client, spec.guest_id):
                break
            log_.warning("libvirt has not heard of the first process of guest %s", spec.name)
            await guests.cut(self.client, spec.guest_id)
            started = await super()._started(spec, host, known, key=key)
        return started

    async def remove_guest(self, guest_id: UUID, *, key: UUID) -> None:
        await super().remove_guest(guest_id, key=key)
        links = f"{self._line.settings.link_dir}/{guest_id.hex}"
        await self._line.shell.run("rm", "-rf", "--", links)

    async def reboot_guest(self, guest_id: UUID, *, force: bool, key: UUID) -> None:
        patience_s = 0.0 if force else self._line.settings.reboot_s
        button = self._kind.button
        await restart(self.client, guest_id, patience_s=patience_s, button=button, key=key)

    async def migrate_guest(
        self,
        guest_id: UUID,
        target: HostAddress,
        *,
        key: UUID,
        moves: tuple[DiskMove, ...] = (),
    ) -> None:
        if moves:
            why = self._kind.capabilities.why_not("storage_migration")
            raise Refused(f"{self._kind.name} hosts: {why}")
        await super().migrate_guest(guest_id, target, key=key)

    async def attach_disk(self, guest_id: UUID, disk: DiskAttachment, *, key: UUID) -> None:
        _, host = await self._host()
        xml = self._kind.words.disk_xml(disk, host)
        await self._plug(guest_id, disk.volume_id, disk.path, xml)

    async def attach_nic(self, guest_id: UUID, nic: NicSpec, *, key: UUID) -> None:
        _, host = await self._host()
        await segments.ensure(self._line.shell, (nic,), host)
        xml = self._kind.words.nic_xml(nic, host)
        await self._plug(guest_id, nic.nic_id, nic.mac, xml)

    async def _plug(self, guest_id: UUID, thing: UUID, what: str, xml: str) -> None:
        """Note first whose it will be: a note of nothing is harmless, a part of nobody's is not."""

        def note(connection: Connection) -> None:
            domain = running(connection, guest_id, verb="hot plug")
            ours = Domain.read(domain.XMLDesc(0)).ours
            if ours is None:
                raise Refused(f"guest {guest_id} is not ours")
            if all(one.get("id") != str(thing) for one in ours.findall(PART)):
                ET.SubElement(ours, PART, {"id": str(thing), "is": what})
                _write(domain, ours)

        await self.client.change(note, about=guest_id, doing=f"note {thing} of guest {guest_id}")
        await hotplug.attach(self.client, guest_id, thing, xml)

    async def snapshot_disk(
        self, pool: PoolSpec, volume_id: UUID, snapshot_id: UUID, *, key: UUID
    ) -> SnapshotStatus:
        """A guest that uses the disk stands still while it is copied."""
        if (there := await self._copies.find(pool, snapshot_id)) is not None:
            return there
        path = self._disks.path(pool, volume_id)
        doing = f"snapshot {path}"
        held = await self.client.change(lambda c: _pause(c, path), about=volume_id, doing=doing)
        try:
            if held:
                done = await self._line.shell.run("sync", timeout_s=self._line.settings.image_s)
                if done.code:
                    raise Unavailable(f"{doing}: {done.complaint}")
            await self._copies.keep(pool, volume_id, snapshot_id)
        finally:
            about = uuid5(volume_id, "resume")
            await self.client.change(lambda c: _resume(c, path), about=about, doing=doing)
        if (made := await self._copies.find(pool, snapshot_id)) is None:
            raise Unavailable(f"snapshot {snapshot_id} is not in pool {pool.url} after its making")
        return made

    async def resize_disk(
        self, pool: PoolSpec, volume_id: UUID, *, size_bytes: int, key: UUID
    ) -> DiskStatus:
        there = await self._disks.find(pool, volume_id)
        if there is not None and there.size_bytes != size_bytes:
            await self._unused(pool, volume_id)

        async def is_off(path: str, size_bytes: int) -> bool:
            return False

        return await self._disks.resize(pool, volume_id, size_bytes=size_bytes, live=is_off)

    async def remove_disk(self, pool: PoolSpec, volume_id: UUID, *, key: UUID) -> None:
        await self._unused(pool, volume_id)
        await self._disks.remove(pool, volume_id)


def _refusing(kind: str, why: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def refuse(*_: Any, **__: Any) -> Any:
        raise Refused(f"{kind} hosts: {why}")

    return refuse


def _write(domain: Any, ours: ET.Element) -> None:
    """libvirt puts what it is given into our namespace by itself."""
    for one in ours.iter():
        one.tag = one.tag.rpartition("}")[2]
    text = ET.tostring(ours, encoding="unicode")
    element = libvirt.VIR_DOMAIN_METADATA_ELEMENT
    domain.setMetadata(element, text, "sagastack", NAMESPACE, LIVE)


def _pause(connection: Connection, path: str) -> bool:
    """Let every guest that uses the image stand still; whether there was one."""
    held = hotplug.users(connection, path)
    for domain in held:
        with suppress_gone():
            if domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING:
                domain.suspend()
    return bool(held)


def _resume(connection: Connection, path: str) -> None:
    for domain in hotplug.users(connection, path):
        with suppress_gone():
            if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
                domain.resume()
