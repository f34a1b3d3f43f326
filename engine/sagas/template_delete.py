"""Deleting an image, everywhere or in one zone. Disks made from it hold their own copy."""

from __future__ import annotations

from aggregates.errors import InUse, NotAllowed
from aggregates.image import WORDS, Copy, Image, ImageState
from aggregates.saga import RunState
from drivers.contract.errors import Unavailable
from engine.image_places import image_row, images_of, is_simulated, on_disk
from engine.images import remove
from engine.intents.iso import DeleteIso
from engine.intents.template import DeleteTemplate
from engine.saga import Run, Saga
from projections.saga import saga_runs
from projections.vm import vms
from projections.volume import volumes

LOOKS, LOOK_EVERY_S = 100, 0.1
AT_WORK = (RunState.RUNNING, RunState.UNDOING)

delete_template = Saga(
    "template.delete:1",
    DeleteTemplate,
    "template",
    lambda ask: ask.template_id,
    forward_only=True,
)


@delete_template.step
def stop(run: Run[DeleteTemplate]) -> None:
    """Cancel a download that still runs."""
    image = image_row(run)
    if image.template_type in ("SYSTEM", "BUILTIN"):
        raise NotAllowed(f"{image.KIND} {image.name} came with the cloud and stays")
    meant = _meant(run, image)
    if not meant:
        raise NotAllowed(
            f"{image.KIND} {image.name} has no copy of its own in zone {run.intent.zone_id}: "
            "leave zoneid out to delete it everywhere"
        )
    if any(copy.state is ImageState.REMOVING for copy in meant):
        raise NotAllowed(f"{image.KIND} {image.name} is being removed already")
    if not run.intent.even_read:
        _unread(run, image, meant)
    for copy in meant:
        job = run.cloud[saga_runs].get(copy.job_id)
        if job is not None and job.state is RunState.RUNNING and not job.cancelled:
            run.change(run.row(saga_runs, job.id), job.cancel())


def _meant(run: Run[DeleteTemplate], image: Image) -> list[Copy]:
    zone_id = run.intent.zone_id
    return [copy for copy in image.copies if zone_id is None or copy.zone_id == zone_id]


def _unread(run: Run[DeleteTemplate], image: Image, meant: list[Copy]) -> None:
    """It stays while a disk is still to be made of it, and a disc while it is in a drive."""
    zone_ids = {copy.zone_id for copy in meant}
    for volume in run.cloud[volumes].by("pool_id", None):
        if volume.template_id == image.id and (None in zone_ids or volume.zone_id in zone_ids):
            raise InUse(
                f"volume {volume.name} is still to be made of {image.KIND} {image.name}: start "
                "its virtual machine first, or expunge it"
            )
    for vm in run.cloud[vms].by("iso_id", image.id):
        if None in zone_ids or vm.zone_id in zone_ids:
            raise InUse(
                f"ISO {image.name} is in the drive of virtual machine {vm.name}: detach it first"
            )


@delete_template.step
async def wait_stopped(run: Run[DeleteTemplate]) -> None:
    """The download has let go of its files."""
    for _ in range(LOOKS):
        if not _works(run):
            return
        await run.world.clock.sleep(LOOK_EVERY_S)
    raise Unavailable(f"the download of {run.intent.template_id} goes on")


def _works(run: Run[DeleteTemplate]) -> bool:
    """Is another job at work? One that is parked touches nothing until somebody mends it."""
    image = run.cloud[images_of(run.intent)].get(run.intent.template_id)
    if image is None:
        return False
    jobs = (run.cloud[saga_runs].get(copy.job_id) for copy in _meant(run, image))
    return any(job is not None and job.id != run.id and job.state in AT_WORK for job in jobs)


@delete_template.step
def mark(run: Run[DeleteTemplate]) -> list[str]:
    """From here on nothing is made from it; answers with the files to remove."""
    image = run.cloud[images_of(run.intent)].get(run.intent.template_id)
    meant = [] if image is None else _meant(run, image)
    if image is None or any(copy.state is ImageState.REMOVING for copy in meant):
        return []
    if meant:
        zone_ids = [copy.zone_id for copy in meant]
        gone = WORDS[run.intent.NOUN].removal_started(job_id=run.id, zone_ids=zone_ids)
        run.change(image, gone)
    return [copy.path for copy in meant if copy.path and not is_simulated(copy.path)]


@delete_template.step
async def remove_image(run: Run[DeleteTemplate]) -> None:
    for path in run[mark]:
        await remove(on_disk(run.world.home, path))


@delete_template.step
def record(run: Run[DeleteTemplate]) -> None:
    """With its last copy the image is gone; what is gone already is no error."""
    image = run.cloud[images_of(run.intent)].get(run.intent.template_id)
    if image is None:
        return
    words = WORDS[run.intent.NOUN]
    mine = [copy.zone_id for copy in image.copies if copy.job_id == run.id]
    if len(mine) == len(image.copies):
        run.change(image, words.removed())
    elif mine:
        run.change(image, words.copies_removed(zone_ids=mine))


delete_iso = delete_template.twin("iso.delete:1", DeleteIso, "iso")
