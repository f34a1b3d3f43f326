"""Making a template of a disk: the disk is written to a file of the controller as qcow2."""

from __future__ import annotations

import asyncio

from aggregates.errors import Invalid, NotAllowed
from aggregates.image import WORDS, Copy, ImageState
from aggregates.vm import VmState, VmWorkEnded
from aggregates.volume import Volume, VolumeIdle, VolumeState
from drivers.contract.storage import DiskPlace, ImageFacts
from engine.abilities import demand
from engine.disks import source_of
from engine.image_forms import clear, form_for, settle_as
from engine.image_places import image_row, on_disk, place_for
from engine.images import WORD_OF, look, partial_of, remove, settle
from engine.intents.template_create import CreateTemplate, PrepareTemplate
from engine.saga import Run, Saga
from engine.sagas.template_register import registered
from projections.saga import saga_runs
from projections.snapshot import snapshots
from projections.template import templates
from projections.vm import vms
from projections.volume import volumes

EXPORT_S = 24 * 3600.0

create_template = Saga(
    "template.create:1", CreateTemplate, "template", lambda ask: ask.describe.template_id
)
prepare_template = Saga(
    "template.prepare:1", PrepareTemplate, "template", lambda ask: ask.template_id
)


@create_template.step
def begin(run: Run[CreateTemplate]) -> str:
    """The template exists, and its source waits; answers with where the image shall lie."""
    ask = run.intent
    describe = ask.describe
    demand(run, describe.hypervisor, "export_disk")
    if ask.volume_id is not None:
        _hold(run, run.row(volumes, ask.volume_id))
    elif ask.snapshot_id is not None:
        run.guard(run.row(snapshots, ask.snapshot_id))
    else:
        raise Invalid("a template is made of a volume or of a snapshot: name one")
    (zone_id,) = describe.zone_ids
    path = place_for(run.cloud, run.world.home, describe.template_id, "QCOW2", zone_id)
    run.create(describe.template_id, registered(describe, run.id))
    copy = Copy(zone_id=zone_id, path=path, state=ImageState.CREATING, job_id=run.id)
    run.change(image_row(run), WORDS["template"].copy_begun(copies=[copy]))
    return path


def _hold(run: Run[CreateTemplate], volume: Volume) -> None:
    """Nothing may write to the volume, or start its guest, while it is read."""
    if volume.pool_id is None:
        raise NotAllowed(
            f"volume {volume.name} has no disk yet: attach it to a virtual machine that runs"
        )
    if volume.vm_id is not None:
        vm = run.row(vms, volume.vm_id)
        if vm.state is not VmState.STOPPED:
            raise NotAllowed(
                f"volume {volume.name} is of virtual machine {vm.name}, which is {vm.state}: "
                "stop it first, or make the template of a snapshot"
            )
        run.change(vm, vm.work("CreatingTemplate", run.id, VmState.STOPPED))
    run.change(volume, volume.begin(VolumeState.COPYING, run.id))


def _let_go(run: Run[CreateTemplate]) -> None:
    if run.intent.volume_id is None:
        return
    volume = run.row(volumes, run.intent.volume_id)
    run.change(volume, VolumeIdle())
    if volume.vm_id is not None:
        run.change(run.row(vms, volume.vm_id), VmWorkEnded())


@begin.undo
def give_up(run: Run[CreateTemplate]) -> None:
    """It stays and says why there is no image; its source is free again."""
    _let_go(run)
    why = run.cloud[saga_runs][run.id].error_text
    run.change(image_row(run), WORDS["template"].failed(why=why))


@create_template.step(timeout_s=EXPORT_S)
async def export(run: Run[CreateTemplate]) -> ImageFacts:
    """Written beside its place, and named when it is whole."""
    ask, place = run.intent, on_disk(run.world.home, run[begin])
    partial = partial_of(place)
    await asyncio.to_thread(place.parent.mkdir, parents=True, exist_ok=True)
    if ask.volume_id is not None:
        pool_id, disk_id = run.row(volumes, ask.volume_id).pool_id, ask.volume_id
    else:
        assert ask.snapshot_id is not None
        pool_id, disk_id = run.row(snapshots, ask.snapshot_id).pool_id, ask.snapshot_id
    assert pool_id is not None
    session, pool = await run.world.hosts.with_pool(pool_id)
    source = DiskPlace(pool=pool, disk_id=disk_id, is_snapshot=ask.snapshot_id is not None)
    facts = await session.export_disk(source, str(partial), key=run.key)
    written = WORD_OF[facts.image_format]
    form = form_for(run.world.hosts, image_row(run).hypervisor, written)
    if form == written:
        await settle(partial, place)
        return facts
    await settle_as(form, partial, place, written)
    made = await look(place, form, "")
    return ImageFacts(
        image_format=made.real_format,
        virtual_bytes=made.size_bytes,
        file_bytes=made.physical_bytes,
    )


@export.undo
async def remove_image(run: Run[CreateTemplate]) -> None:
    place = on_disk(run.world.home, run[begin])
    await remove(place)
    await clear(place)


@create_template.step(no_undo="nothing comes after it")
def record(run: Run[CreateTemplate]) -> None:
    facts = run[export]
    run.change(
        image_row(run),
        WORDS["template"].ready(
            real_format=facts.image_format,
            size_bytes=facts.virtual_bytes,
            physical_bytes=facts.file_bytes,
            checksum="",
        ),
    )
    _let_go(run)


@prepare_template.step(no_undo="nothing was decided")
def check(run: Run[PrepareTemplate]) -> None:
    """Only a whole image is brought anywhere."""
    run.row(templates, run.intent.template_id).ready_in(run.intent.zone_id)


@prepare_template.step(
    timeout_s=EXPORT_S, no_undo="an image that a pool has already is used by others, or will be"
)
async def bring(run: Run[PrepareTemplate]) -> None:
    ask = run.intent
    template = run.row(templates, ask.template_id)
    parts = [source_of(run, template, ask.zone_id, part) for part in template.parts]
    for pool_id in ask.pool_ids:
        session, pool = await run.world.hosts.with_pool(pool_id)
        for part in parts:
            await session.keep_image(pool, part, key=run.key)
