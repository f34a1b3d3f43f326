"""Snapshots of whole guests: internal snapshots of their qcow2 disks, named by our id.

Domains are transient, so libvirt's own list of snapshots would die with the guest. What is kept is
in the images alone: QEMU's monitor makes and loads it while the guest runs, its memory in the
first disk or the disks without it, and `qemu-img` does the same for a guest that is off.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import libvirt
import libvirt_qemu

from drivers.contract.compute import DiskAttachment
from drivers.contract.errors import Refused, Unavailable
from drivers.libvirt import monitor
from drivers.libvirt.client import Client, Connection
from drivers.libvirt.guests import active, running
from drivers.libvirt.shell import Shell

HMP = libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP
# Each takes the tag and then the images. All images are looked at before any is changed.
KEEP = """
tag=$1; shift
for image in "$@"; do
  qemu-img snapshot -l -- "$image" | grep -qwF -- "$tag" && continue
  qemu-img snapshot -c "$tag" -- "$image" || exit 1
done
"""
REVERT = """
tag=$1; shift
for image in "$@"; do
  kept=$(qemu-img snapshot -l -- "$image") || exit 1
  echo "$kept" | grep -qwF -- "$tag" || { echo "not kept in $image" >&2; exit 1; }
done
for image in "$@"; do qemu-img snapshot -a "$tag" -- "$image" || exit 1; done
"""
FORGET = """
tag=$1; shift
for image in "$@"; do
  [ -e "$image" ] || continue
  qemu-img snapshot -l -- "$image" | grep -qwF -- "$tag" || continue
  qemu-img snapshot -d "$tag" -- "$image" || exit 1
done
"""


class Kept:
    """What the disks of one host's guests keep within themselves."""

    def __init__(self, client: Client, shell: Shell, *, limit_s: float) -> None:
        self._client, self._shell, self._limit_s = client, shell, limit_s

    async def keep(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
    ) -> None:
        def work(connection: Connection) -> bool:
            domain = (
                running(connection, guest_id, verb="snapshot")
                if with_memory
                else (active(connection, guest_id))
            )
            if domain is not None and with_memory and not _has(domain, snapshot_id):
                _order(domain, f"savevm {snapshot_id}")
            elif domain is not None:
                monitor.keep_disks(domain, snapshot_id, disks)
            return domain is not None

        if not await self._change(guest_id, work, f"snapshot guest {guest_id}"):
            await self._images(KEEP, snapshot_id, disks, doing="snapshot")

    async def revert(
        self,
        guest_id: UUID,
        snapshot_id: UUID,
        disks: tuple[DiskAttachment, ...],
        *,
        with_memory: bool,
    ) -> None:
        if not with_memory:
            await self._require_off(guest_id)
            await self._images(REVERT, snapshot_id, disks, doing="revert")
            return

        def work(connection: Connection) -> None:
            domain = running(connection, guest_id, verb="revert")
            if not _has(domain, snapshot_id):
                raise Refused(f"guest {guest_id} has no snapshot {snapshot_id} in its disks")
            _order(domain, f"loadvm {snapshot_id}")

        await self._change(guest_id, work, f"revert guest {guest_id}")

    async def forget(
        self, guest_id: UUID, snapshot_id: UUID, disks: tuple[DiskAttachment, ...]
    ) -> None:
        def work(connection: Connection) -> bool:
            domain = active(connection, guest_id)
            if domain is not None:
                monitor.forget_disks(domain, snapshot_id, disks)
            return domain is not None

        doing = f"forget snapshot {snapshot_id} of guest {guest_id}"
        if not await self._change(guest_id, work, doing):
            await self._images(FORGET, snapshot_id, disks, doing="forget snapshot of")

    async def _change(self, guest_id: UUID, work: Any, doing: str) -> Any:
        return await self._client.change(work, about=guest_id, doing=doing, timeout_s=self._limit_s)

    async def _require_off(self, guest_id: UUID) -> None:
        runs = await self._client.read(
            lambda connection: active(connection, guest_id) is not None,
            doing=f"look for guest {guest_id}",
        )
        if runs:
            raise Refused(f"guest {guest_id} runs: its disks alone go back when it is off")

    async def _images(
        self, script: str, snapshot_id: UUID, disks: tuple[DiskAttachment, ...], *, doing: str
    ) -> None:
        paths = [disk.path for disk in disks]
        ask = ("sh", "-uc", script, "sh", str(snapshot_id), *paths)
        done = await self._shell.run(*ask, timeout_s=self._limit_s)
        if done.code:
            text = f"{doing} {', '.join(paths)}: {done.complaint}"
            raise (Unavailable(text) if "lock" in done.complaint else Refused(text))


def _has(domain: Any, snapshot_id: UUID) -> bool:
    return str(snapshot_id) in libvirt_qemu.qemuMonitorCommand(domain, "info snapshots", HMP)


def _order(domain: Any, command: str) -> None:
    """The monitor says nothing when all went well."""
    said = libvirt_qemu.qemuMonitorCommand(domain, command, HMP).strip()
    if "pflash" in said:
        raise Refused(
            f"guest {domain.name()} starts by UEFI, whose settings cannot be kept with its memory: "
            "keep its disks alone, or stop it first"
        )
    if said:
        raise Refused(f"guest {domain.name()}: {command}: {said}")
    if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
        domain.resume()
