"""What becomes of a file that was sent: looked at like any stranger's image, and then settled.

It is received beside the place where it shall lie, so that settling it is a rename.
"""

from __future__ import annotations

from msgspec.structs import replace

from aggregates.errors import NotAllowed
from aggregates.image import WORDS, Image, ImageState
from aggregates.record import RECORDS
from aggregates.volume import VolumeState
from aggregates.volume_upload import VolumeUploadBegun, VolumeUploaded, VolumeUploadFailed
from engine.image_forms import clear, form_for, settle_as
from engine.image_places import on_disk
from engine.images import Image as Looked
from engine.images import exists, look, partial_of, remove
from engine.intents.upload import GiveUpUpload, TakeUpload
from engine.saga import Run, Saga
from projections.saga import saga_runs
from projections.table import TABLES
from projections.upload import Upload, uploads
from projections.volume import volumes

LOOK_S = 3600.0
UPLOAD = RECORDS["upload"]

take_upload = Saga("upload.take:1", TakeUpload, "upload", lambda ask: ask.upload_id)
give_up_upload = Saga(
    "upload.give_up:1", GiveUpUpload, "upload", lambda ask: ask.upload_id, forward_only=True
)


def _upload(run: Run[TakeUpload]) -> Upload:
    return run.row(uploads, run.intent.upload_id)


@take_upload.step
def begin(run: Run[TakeUpload]) -> None:
    """The thing is being uploaded: nothing else may begin on it."""
    upload = _upload(run)
    if upload.kind == "volume":
        volume = run.row(volumes, upload.thing_id)
        if volume.state is not VolumeState.AWAITED:
            raise NotAllowed(f"volume {volume.name} is {volume.state}: it awaits no upload")
        begun = VolumeUploadBegun(
            state=VolumeState.UPLOADING,
            path=upload.path,
            image_format=upload.image_format,
            url="",
            job_id=run.id,
        )
        run.change(volume, begun)
        return
    image: Image = run.row(TABLES[upload.kind], upload.thing_id)
    copies = [copy for copy in image.copies if copy.state is ImageState.AWAITED]
    if not copies:
        raise NotAllowed(f"{image.KIND} {image.name} is {image.state}: it awaits no upload")
    busy = [replace(copy, state=ImageState.UPLOADING, job_id=run.id) for copy in copies]
    run.change(image, WORDS[upload.kind].copy_begun(copies=busy))


@begin.undo
def say_why(run: Run[TakeUpload]) -> None:
    """It stays, and says what was wrong; the signature is used up."""
    _fail(run, run.cloud[saga_runs][run.id].error_text)


def _fail(run: Run[TakeUpload] | Run[GiveUpUpload], why: str) -> None:
    upload = run.row(uploads, run.intent.upload_id)
    thing = run.cloud.table(upload.kind).get(upload.thing_id)
    if thing is not None and upload.kind == "volume":
        run.change(thing, VolumeUploadFailed(why=why))
    elif thing is not None and not thing.is_ready:
        run.change(thing, WORDS[upload.kind].failed(why=why))
    run.change(upload, UPLOAD.removed())


@take_upload.step(timeout_s=LOOK_S)
async def accept(run: Run[TakeUpload]) -> Looked:
    """A whole file is settled once; after a crash it is found in its place."""
    upload = _upload(run)
    place = on_disk(run.world.home, upload.path)
    partial = partial_of(place)
    wanted = upload.image_format.upper()
    form = wanted
    if upload.kind == "template":
        kind = run.row(TABLES["template"], upload.thing_id).hypervisor
        form = form_for(run.world.hosts, kind, wanted)
    if await exists(partial):
        await look(partial, wanted, upload.checksum)
        await settle_as(form, partial, place, wanted)
    return await look(place, form, upload.checksum if form == wanted else "")


@accept.undo
async def discard(run: Run[TakeUpload]) -> None:
    place = on_disk(run.world.home, _upload(run).path)
    await remove(place)
    await clear(place)


@take_upload.step(no_undo="nothing comes after it")
def record(run: Run[TakeUpload]) -> None:
    upload, looked = _upload(run), run[accept]
    if upload.kind == "volume":
        volume = run.row(volumes, upload.thing_id)
        run.change(volume, VolumeUploaded(size_bytes=looked.size_bytes, format=looked.real_format))
    else:
        ready = WORDS[upload.kind].ready(
            real_format=looked.real_format,
            size_bytes=looked.size_bytes,
            physical_bytes=looked.physical_bytes,
            checksum=looked.checksum,
            appliance=looked.appliance,
        )
        run.change(run.row(TABLES[upload.kind], upload.thing_id), ready)
    run.change(upload, UPLOAD.removed())


@give_up_upload.step
def end(run: Run[GiveUpUpload]) -> str:
    """Answers with where a half-sent file may lie. A file that is being looked at is let be."""
    upload = run.row(uploads, run.intent.upload_id)
    thing = run.cloud.table(upload.kind).get(upload.thing_id)
    states = (VolumeState.UPLOADING, ImageState.UPLOADING)
    if thing is not None and thing.state in states:
        raise NotAllowed(f"upload {upload.id} is being looked at: wait for it")
    _fail(run, run.intent.why)
    return upload.path


@give_up_upload.step
async def remove_half(run: Run[GiveUpUpload]) -> None:
    await remove(on_disk(run.world.home, run[end]))
