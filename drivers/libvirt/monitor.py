"""QEMU's monitor: snapshots of a running guest's disks, all at one moment, without its memory.

Commands are QEMU's (https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html): a transaction of
`blockdev-snapshot-internal-sync` takes all disks or none. A guest whose agent answers is asked to
write out and hold still meanwhile; one without an agent is kept as a power cut would leave it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt
import libvirt_qemu

from drivers.contract.compute import DiskAttachment
from drivers.contract.errors import Refused
from drivers.libvirt.observe import Domain
from drivers.libvirt.translate import AGENT

TAKE = "blockdev-snapshot-internal-sync"
DROP = "blockdev-snapshot-delete-internal-sync"


def keep_disks(domain: Any, snapshot_id: UUID, disks: tuple[DiskAttachment, ...]) -> None:
    """Keep all disks as they are now, unless they are kept under this id already."""
    nodes = _nodes(domain, disks)
    if all(str(snapshot_id) in kept for _, kept in nodes):
        return
    asked = [
        {"type": TAKE, "data": {"device": node, "name": str(snapshot_id)}} for node, _ in nodes
    ]
    with _still(domain):
        _ask(domain, "transaction", actions=asked)


def forget_disks(domain: Any, snapshot_id: UUID, disks: tuple[DiskAttachment, ...]) -> None:
    for node, kept in _nodes(domain, disks):
        if str(snapshot_id) in kept:
            _ask(domain, DROP, device=node, name=str(snapshot_id))


def _nodes(domain: Any, disks: tuple[DiskAttachment, ...]) -> list[tuple[str, list[str]]]:
    """What QEMU calls each disk, and the names of what is kept in it."""
    state, found = Domain.read(domain.XMLDesc(0)), {}
    for one in _ask(domain, "query-block"):
        if (held := one.get("inserted")) is not None:
            kept = [snapshot["name"] for snapshot in held["image"].get("snapshots", [])]
            found[held["file"]] = (held["node-name"] or one["device"], kept)
    nodes = []
    for disk in disks:
        xml = state.device(disk.volume_id)
        source = None if xml is None else ET.fromstring(xml).find("source")
        path = disk.path if source is None else source.get("file", "")
        if path not in found:
            raise Refused(f"guest {domain.name()} has no disk {disk.volume_id}")
        nodes.append(found[path])
    return nodes


@contextmanager
def _still(domain: Any) -> Iterator[None]:
    """The guest's file systems are frozen if its agent answers."""
    frozen = False
    path = f"devices/channel/target[@name='{AGENT}'][@state='connected']"
    if Domain.read(domain.XMLDesc(0)).root.find(path) is not None:
        with suppress(libvirt.libvirtError):
            domain.fsFreeze()
            frozen = True
    try:
        yield
    finally:
        if frozen:
            domain.fsThaw()


def _ask(domain: Any, command: str, **arguments: Any) -> Any:
    asked = {"execute": command} | ({"arguments": arguments} if arguments else {})
    answer = json.loads(libvirt_qemu.qemuMonitorCommand(domain, json.dumps(asked), 0))
    if "error" in answer:
        raise Refused(f"guest {domain.name()}: {command}: {answer['error'].get('desc')}")
    return answer["return"]
