"""Opening and closing a download. What is on a pool is written to the controller's disk first."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

from aggregates.errors import NotAllowed
from aggregates.image import Image
from aggregates.record import RECORDS
from aggregates.snapshot import SnapshotIdle, SnapshotState
from aggregates.vm import VmState, VmWorkEnded
from aggregates.volume import Volume, VolumeIdle, VolumeState
from drivers.contract.storage import DiskPlace
from engine.image_places import is_simulated, on_disk
from engine.images import remove
from engine.intents.download_link import CloseDownload, OpenDownload
from engine.saga import Run, Saga
from projections.download_link import download_links
from projections.snapshot import snapshots
from projections.table import TABLES
from projections.vm import vms
from projections.volume import volumes

EXPORT_S = 24 * 3600.0
LINK = RECORDS["download_link"]

open_download = Saga("download_link.open:1", OpenDownload, "download_link", lambda ask: ask.link_id)
close_download = Saga(
    "download_link.close:1",
    CloseDownload,
    "download_link",
    lambda ask: ask.link_id,
    forward_only=True,
)


def made_for(link_id: UUID) -> str:
    """Where a file lies that is made for a link."""
    return f"downloads/{link_id}.qcow2"


@open_download.step
def begin(run: Run[OpenDownload]) -> None:
    """The link exists; it gives nothing before there is a file. A volume waits for its file."""
    ask = run.intent
    if ask.kind == "volume":
        name, path = _hold(run, run.row(volumes, ask.thing_id))
    elif ask.kind == "snapshot":
        snapshot = run.row(snapshots, ask.thing_id)
        run.change(snapshot, snapshot.begin(SnapshotState.COPYING, run.id))
        name, path = f"{snapshot.name}.qcow2", ""
    elif ask.kind == "image_store":
        name, path = Path(ask.path).name, ask.path
    else:
        image: Image = run.row(TABLES[ask.kind], ask.thing_id)
        path = image.ready_in(ask.zone_id).path
        path = "" if is_simulated(path) else path
        name = f"{image.name}.{image.image_format.lower()}"
    names = ("kind", "thing_id", "account_id", "domain_id", "token_ref", "expires_at_ms", "zone_id")
    fields: dict[str, Any] = {one: getattr(ask, one) for one in names}
    fields |= {"name": name, "is_made": not path, "path": path}
    run.create(ask.link_id, LINK.create(fields))


def _hold(run: Run[OpenDownload], volume: Volume) -> tuple[str, str]:
    """Nothing may write to the volume, or start its guest, while it is read."""
    volume.living()
    if volume.pool_id is None:
        if not volume.upload_path:
            raise NotAllowed(
                f"volume {volume.name} has no disk yet: attach it to a virtual machine that runs"
            )
        return f"{volume.name}.{volume.upload_format}", volume.upload_path
    if volume.vm_id is not None:
        vm = run.row(vms, volume.vm_id)
        if vm.state is not VmState.STOPPED:
            raise NotAllowed(
                f"volume {volume.name} is attached to virtual machine {vm.name}, which is "
                f"{vm.state}: stop it or detach the volume first"
            )
        run.change(vm, vm.work("Extracting", run.id, VmState.STOPPED))
    run.change(volume, volume.begin(VolumeState.COPYING, run.id))
    return f"{volume.name}.qcow2", ""


def _let_go(run: Run[OpenDownload]) -> None:
    if run.intent.kind == "snapshot":
        snapshot = run.row(snapshots, run.intent.thing_id)
        if snapshot.job_id == run.id:
            run.change(snapshot, SnapshotIdle())
    if run.intent.kind != "volume":
        return
    volume = run.row(volumes, run.intent.thing_id)
    if volume.job_id != run.id:
        return
    run.change(volume, VolumeIdle())
    if volume.vm_id is not None:
        run.change(run.row(vms, volume.vm_id), VmWorkEnded())


@begin.undo
def give_up(run: Run[OpenDownload]) -> None:
    _let_go(run)
    run.change(run.row(download_links, run.intent.link_id), LINK.removed())


@open_download.step(timeout_s=EXPORT_S)
async def produce(run: Run[OpenDownload]) -> str:
    """Write the file, if there is none to be given as it is."""
    ask, link = run.intent, run.row(download_links, run.intent.link_id)
    if not link.is_made:
        return link.path
    path = made_for(ask.link_id)
    file = on_disk(run.world.home, path)
    await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True)
    if ask.kind in ("volume", "snapshot"):
        held = run.row(TABLES[ask.kind], ask.thing_id)
        session, pool = await run.world.hosts.with_pool(held.pool_id)
        place = DiskPlace(pool=pool, disk_id=held.id, is_snapshot=ask.kind == "snapshot")
        await session.export_disk(place, str(file), key=run.key)
    else:
        words = f"{ask.kind} {ask.thing_id} of simulated hosts: it has no bytes\n"
        await asyncio.to_thread(file.write_text, words)
    return path


@produce.undo
async def remove_made(run: Run[OpenDownload]) -> None:
    """The token of its URL goes as well: it was sealed for this link alone."""
    await remove(on_disk(run.world.home, made_for(run.intent.link_id)))
    await run.world.vault.shred(UUID(run.intent.token_ref))


@open_download.step(no_undo="the last step: nothing after it can fail")
def opened(run: Run[OpenDownload]) -> None:
    link = run.row(download_links, run.intent.link_id)
    changed = LINK.update(link, {"path": run[produce]})
    if changed is not None:
        run.change(link, changed)
    _let_go(run)


@close_download.step
def forget(run: Run[CloseDownload]) -> tuple[str, str]:
    """From here on the URL is unknown; answers with the file to remove, and the secret."""
    link = run.row(download_links, run.intent.link_id)
    if not link.path:
        raise NotAllowed(
            f"download {link.id} of {link.name} is being made: wait, or cancel its job"
        )
    run.change(link, LINK.removed())
    return (made_for(link.id) if link.is_made else "", link.token_ref)


@close_download.step
async def clean_up(run: Run[CloseDownload]) -> None:
    path, token_ref = run[forget]
    if path:
        await remove(on_disk(run.world.home, path))
    await run.world.vault.shred(UUID(token_ref))
