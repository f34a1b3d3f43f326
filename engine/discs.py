"""Discs: how the image of an ISO comes to where a guest's drive can read it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.vm import Vm
from drivers.contract.compute import DiskAttachment
from drivers.contract.driver import HostSession
from drivers.contract.errors import Refused
from engine.disks import pool_spec, source_of
from engine.saga import Run
from projections.iso import isos
from projections.volume import volumes

CDROM_DEVICE = 3


async def disc_for(
    run: Run[Any], vm: Vm, iso_id: UUID | None, session: HostSession, pool_id: UUID | None
) -> DiskAttachment | None:
    """The disc as the guest's drive is told of it, brought into a pool that its host reaches.

    None when there is none, or none any more: a guest is started without it then.
    """
    iso = run.cloud[isos].get(iso_id)
    if iso is None:
        return None
    if pool_id is None:
        raise Refused(f"virtual machine {vm.name} has no disk on a pool: no place for a disc")
    image = source_of(run, iso, vm.zone_id)
    path = await session.keep_image(pool_spec(run, pool_id), image, key=run.key)
    return DiskAttachment(
        volume_id=iso.id,
        path=path,
        device=CDROM_DEVICE,
        image_format="raw",
        read_only=True,
        is_cdrom=True,
    )


def pool_of(run: Run[Any], vm_id: UUID) -> UUID | None:
    """The pool of the guest's first disk that is on one."""
    disks = sorted(run.cloud[volumes].by("vm_id", vm_id), key=lambda disk: disk.device or 0)
    return next((disk.pool_id for disk in disks if disk.pool_id is not None), None)
