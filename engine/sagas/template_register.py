"""Registering an image: it is there at once, and ready once its copies are here and looked at.

When no image can be had, it stays, marked with why, until its owner deletes it.
"""

from __future__ import annotations

from uuid import UUID

from aggregates.errors import Invalid
from aggregates.image import WORDS, Copy, ImageRegistered
from engine.abilities import demand
from engine.image_fetch import Source, check_url, fetch, networks
from engine.image_forms import clear, form_for, settle_as
from engine.image_places import (
    SIMULATED,
    duplicate,
    image_row,
    images_of,
    is_simulated,
    on_disk,
    place_for,
)
from engine.images import FORMATS, Image, checksum, look, partial_of, remove
from engine.intents.iso import RegisterIso
from engine.intents.template import RegisterTemplate
from engine.saga import Run, Saga
from projections.saga import saga_runs
from projections.zone import zones

FETCH_S = 24 * 3600.0
SIMULATED_BYTES = 2**30
EVERYWHERE: tuple[UUID | None, ...] = (None,)

register_template = Saga(
    "template.register:1", RegisterTemplate, "template", lambda ask: ask.template_id
)


def registered(ask: RegisterTemplate, job_id: UUID | None) -> ImageRegistered:
    """What is said of an image whose file is still to come."""
    if ask.image_format not in FORMATS or (ask.image_format == "ISO") != (ask.NOUN == "iso"):
        known = ", ".join(one for one in FORMATS if one != "ISO")
        raise Invalid(f"{ask.image_format} is no format of a template: it is one of {known}")
    kind = WORDS[ask.NOUN].registered
    names = kind.__struct_fields__
    fields = {name: getattr(ask, name) for name in names if hasattr(ask, name)}
    fields |= {"checksum": str(checksum(ask.checksum) or ""), "job_id": job_id}
    return kind(**fields)


@register_template.step
def accept(run: Run[RegisterTemplate]) -> list[str]:
    """Settle everything but the image; answers with where its copies shall lie.

    Simulated hosts need no image, so theirs is ready now.
    """
    ask, words = run.intent, WORDS[run.intent.NOUN]
    if ask.deploy_as_is:
        demand(run, ask.hypervisor, "appliances")
    simulated = ask.hypervisor == "Simulator"
    facts = registered(ask, run.id)
    check_url(Source(ask.url, ask.trusted), simulated=simulated)
    if not simulated:
        networks(ask.sites)
        form_for(run.world.hosts, ask.hypervisor, ask.image_format)
    for zone_id in ask.zone_ids:
        run.guard(run.row(zones, zone_id))
    run.create(ask.template_id, facts)
    copies = [
        Copy(
            zone_id=zone_id,
            job_id=run.id,
            path=f"{SIMULATED}{ask.template_id}"
            if simulated
            else place_for(run.cloud, run.world.home, ask.template_id, ask.image_format, zone_id),
        )
        for zone_id in ask.zone_ids or EVERYWHERE
    ]
    run.change(image_row(run), words.copy_begun(copies=copies))
    if simulated:
        _ready(run, Image(f"{SIMULATED}{ask.template_id}", "qcow2", SIMULATED_BYTES, 0, ""))
    return [copy.path for copy in copies]


@accept.undo
def say_why(run: Run[RegisterTemplate]) -> None:
    """It stays and says what went wrong; nothing can be made from it."""
    image = run.cloud[images_of(run.intent)].get(run.intent.template_id)
    if image is not None and not image.is_ready:
        why = run.cloud[saga_runs][run.id].error_text
        run.change(image, WORDS[run.intent.NOUN].failed(why=why))


@register_template.step(timeout_s=FETCH_S)
async def obtain(run: Run[RegisterTemplate]) -> Image | None:
    """Fetch, look, and only then give the file its name; a whole file is never fetched again.

    It is kept in a form that its kind of hypervisor takes.
    """
    ask, paths = run.intent, run[accept]
    if is_simulated(paths[0]):
        return None
    first, *others = (on_disk(run.world.home, path) for path in paths)
    form = form_for(run.world.hosts, ask.hypervisor, ask.image_format)
    if not first.exists():
        partial = partial_of(first)
        source = Source(ask.url, ask.trusted, tuple(ask.sites), ask.bytes_max)
        await fetch(source, partial, run.progress)
        await look(partial, ask.image_format, ask.checksum)
        await settle_as(form, partial, first, ask.image_format)
    for place in others:
        await duplicate(first, place, run.progress)
    return await look(first, form, ask.checksum if form == ask.image_format else "")


@obtain.undo
async def discard(run: Run[RegisterTemplate]) -> None:
    for path in run[accept]:
        if not is_simulated(path):
            await remove(on_disk(run.world.home, path))
            await clear(on_disk(run.world.home, path))


@register_template.step(no_undo="nothing comes after it")
def record(run: Run[RegisterTemplate]) -> None:
    made = run[obtain]
    if made is not None:
        _ready(run, made)


def _ready(run: Run[RegisterTemplate], made: Image) -> None:
    run.change(
        image_row(run),
        WORDS[run.intent.NOUN].ready(
            real_format=made.real_format,
            size_bytes=made.size_bytes,
            physical_bytes=made.physical_bytes,
            checksum=made.checksum,
            appliance=made.appliance,
        ),
    )


register_iso = register_template.twin("iso.register:1", RegisterIso, "iso")
