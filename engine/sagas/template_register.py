"""Registering a template: it is there at once, and ready once its image is here and was looked at.

When no image can be had, the template stays, marked with why, until its owner deletes it.
"""

from __future__ import annotations

from pathlib import Path

from aggregates.errors import Invalid
from aggregates.template import TemplateFailed, TemplateReady, TemplateRegistered
from engine.image_fetch import Source, check_url, fetch
from engine.images import FORMATS, Image, checksum, look, partial_of, place_of, remove, settle
from engine.intents.template import RegisterTemplate
from engine.saga import Run, Saga
from projections.saga import saga_runs
from projections.template import templates

FETCH_S = 24 * 3600.0
SIMULATED_BYTES = 2**30

register_template = Saga(
    "template.register:1", RegisterTemplate, "template", lambda ask: ask.template_id
)


@register_template.step
def accept(run: Run[RegisterTemplate]) -> None:
    """Settle everything but the image. Simulated hosts need no image, so theirs is ready now."""
    ask = run.intent
    simulated = ask.hypervisor == "Simulator"
    if ask.image_format not in FORMATS:
        raise Invalid(f"{ask.image_format} is no format: it is one of {', '.join(FORMATS)}")
    said = checksum(ask.checksum)
    if not simulated:
        check_url(Source(ask.url, ask.trusted))
    names = TemplateRegistered.__struct_fields__
    fields = {name: getattr(ask, name) for name in names if name != "job_id"}
    fields["checksum"] = str(said or "")
    run.create(ask.template_id, TemplateRegistered(**fields, job_id=run.id))
    if simulated:
        made = Image(f"sim:{ask.template_id}", "qcow2", SIMULATED_BYTES, 0, "")
        _ready(run, made)


@accept.undo
def say_why(run: Run[RegisterTemplate]) -> None:
    """The template stays and says what went wrong; nothing can be made from it."""
    template = run.cloud[templates].get(run.intent.template_id)
    if template is not None and not template.is_ready:
        run.change(template, TemplateFailed(why=run.cloud[saga_runs][run.id].error_text))


@register_template.step(timeout_s=FETCH_S)
async def obtain(run: Run[RegisterTemplate]) -> Image | None:
    """Fetch, look, and only then give the file its name; a whole file is never fetched again."""
    ask = run.intent
    if ask.hypervisor == "Simulator":
        return None
    place = place_of(run.world.home, ask.template_id, ask.image_format)
    if not place.exists():
        partial = partial_of(place)
        await fetch(Source(ask.url, ask.trusted), partial, run.progress)
        await look(partial, ask.image_format, ask.checksum)
        await settle(partial, place)
    return await look(place, ask.image_format, ask.checksum)


@obtain.undo
async def discard(run: Run[RegisterTemplate]) -> None:
    await remove(place_of(run.world.home, run.intent.template_id, run.intent.image_format))


@register_template.step(no_undo="nothing comes after it")
def record(run: Run[RegisterTemplate]) -> None:
    made = run[obtain]
    if made is not None:
        _ready(run, made)


def _ready(run: Run[RegisterTemplate], made: Image) -> None:
    run.change(
        run.row(templates, run.intent.template_id),
        TemplateReady(
            path=_in_home(run, made.path),
            real_format=made.real_format,
            size_bytes=made.size_bytes,
            physical_bytes=made.physical_bytes,
            checksum=made.checksum,
        ),
    )


def _in_home(run: Run[RegisterTemplate], path: str) -> str:
    """A path as the log keeps it: from the data folder, which may be moved."""
    return str(Path(path).relative_to(run.world.home)) if path.startswith("/") else path
