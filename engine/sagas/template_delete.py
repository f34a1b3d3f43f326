"""Deleting a template. Disks made from it hold their own copy of the image, so they live on."""

from __future__ import annotations

from aggregates.errors import NotAllowed
from aggregates.saga import RunState
from aggregates.template import Template, TemplateRemovalStarted, TemplateRemoved, TemplateState
from drivers.contract.errors import Unavailable
from engine.images import place_of, remove
from engine.intents.template import DeleteTemplate
from engine.saga import Run, Saga
from projections.saga import saga_runs
from projections.template import templates

LOOKS, LOOK_EVERY_S = 100, 0.1

delete_template = Saga(
    "template.delete:1",
    DeleteTemplate,
    "template",
    lambda ask: ask.template_id,
    forward_only=True,
)


@delete_template.step
def stop(run: Run[DeleteTemplate]) -> str:
    """Cancel a download that still runs; answers with the name of the image's file."""
    template = run.row(templates, run.intent.template_id)
    if template.state is TemplateState.REMOVING:
        raise NotAllowed(f"template {template.name} is being removed already")
    if template.template_type in ("SYSTEM", "BUILTIN"):
        raise NotAllowed(f"template {template.name} came with the cloud and stays")
    job = run.cloud[saga_runs].get(template.job_id) if template.job_id else None
    if job is not None and job.state is RunState.RUNNING and not job.cancelled:
        run.change(job, job.cancel())
    return template.image_format


@delete_template.step
async def wait_stopped(run: Run[DeleteTemplate]) -> None:
    """The download has let go of its files."""
    for _ in range(LOOKS):
        if not _downloads(run):
            return
        await run.world.clock.sleep(LOOK_EVERY_S)
    raise Unavailable(f"the download of template {run.intent.template_id} goes on")


def _downloads(run: Run[DeleteTemplate]) -> bool:
    """Is a download at work? One that is parked touches nothing until somebody mends it."""
    template = run.cloud[templates].get(run.intent.template_id)
    if template is None or template.state is not TemplateState.DOWNLOADING:
        return False
    job = run.cloud[saga_runs].get(template.job_id)
    return job is not None and job.state in (RunState.RUNNING, RunState.UNDOING)


@delete_template.step
def mark(run: Run[DeleteTemplate]) -> None:
    template = _mine(run)
    if template is not None:
        run.change(template, TemplateRemovalStarted(job_id=run.id))


@delete_template.step
async def remove_image(run: Run[DeleteTemplate]) -> None:
    await remove(place_of(run.world.home, run.intent.template_id, run[stop]))


@delete_template.step
def record(run: Run[DeleteTemplate]) -> None:
    template = _mine(run)
    if template is not None:
        run.change(template, TemplateRemoved())


def _mine(run: Run[DeleteTemplate]) -> Template | None:
    """The template, unless another deletion took it over: what is gone already is no error."""
    template = run.cloud[templates].get(run.intent.template_id)
    if template is None:
        return None
    if template.state is TemplateState.REMOVING and template.job_id != run.id:
        return None
    return template
