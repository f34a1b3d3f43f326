"""What only looks: the steps of a job, and where a guest would be placed. Nothing is changed."""

from __future__ import annotations

from uuid import UUID, uuid5

from aggregates.saga import RunState, SagaRun
from api.caller import JobStep
from engine.affinity import wishes_of
from engine.allocator import Allocator, NothingFits, PlaceRequest, SpaceRequest
from engine.intents.placement import ExplainPlacement, HostRefused, Placement
from engine.saga import SAGAS, Step
from projections.cloud import Cloud


def steps_of(run: SagaRun) -> list[JobStep]:
    """Each step of the run's saga, in the order in which they run.

    A saga that this version does not know any more shows what was recorded of it.
    """
    saga = SAGAS.get(run.name)
    if saga is None:
        return [JobStep(name, "Done", touches_world=False) for name in run.outputs]
    due = {step.name for step in saga.ready(run.outputs)}
    return [_step(run, step, step.name in due) for step in saga.steps]


def _step(run: SagaRun, step: Step[object, object], is_due: bool) -> JobStep:
    failed = step.name == run.failed_step and run.state is not RunState.SUCCEEDED
    return JobStep(
        name=step.name,
        state=_state(run, step.name, is_due),
        touches_world=not step.decides,
        attempts=run.attempts.get(step.name, 0),
        error=run.error if failed else "",
        error_text=run.error_text if failed else "",
        no_undo=step.no_undo,
    )


def _state(run: SagaRun, name: str, is_due: bool) -> str:
    """One word for how a step stands, the most telling first."""
    if run.state is RunState.PARKED and name == run.failed_step:
        return "Parked"
    if name in run.skipped:
        return "Skipped"
    if name in run.undone:
        return "Undone"
    if name in run.outputs:
        return "Done"
    if name == run.failed_step and run.state in (RunState.UNDOING, RunState.FAILED):
        return "Failed"
    if run.state is RunState.RUNNING and is_due:
        return "Retrying" if run.attempts.get(name) else "Running"
    return "Waiting"


def explain(cloud: Cloud, allocator: Allocator, ask: ExplainPlacement) -> Placement:
    """Ask for a place and give it back in the same turn, so that nobody else sees the promise."""
    disks = tuple(
        SpaceRequest(
            volume_id=uuid5(ask.id, str(number)),
            zone_id=ask.zone_id,
            size_bytes=disk.size_bytes,
            tags=disk.tags,
        )
        for number, disk in enumerate(ask.disks)
    )
    wishes = wishes_of(cloud, ask.affinity_group_ids)
    request = PlaceRequest(
        vm_id=ask.id,
        zone_id=ask.zone_id,
        pod_id=ask.pod_id,
        cluster_id=ask.cluster_id,
        host_id=ask.host_id,
        hypervisor=ask.hypervisor,
        cpu_count=ask.cpu_count,
        cpu_mhz=ask.cpu_mhz,
        memory_mib=ask.memory_mib,
        tags=ask.host_tags,
        avoid=wishes.avoid,
        only=wishes.only,
        prefer=wishes.prefer,
        prefer_not=wishes.prefer_not,
        volumes=disks,
    )
    why = allocator.explain(request)
    return Placement(
        host_id=_chosen(allocator, request),
        counts=why.counts,
        refused=[HostRefused(host_id=r.id, rule=r.reason, text=r.text) for r in why.refusals],
        affinity=wishes.words,
    )


def _chosen(allocator: Allocator, request: PlaceRequest) -> UUID | None:
    try:
        return allocator.place(request, request.vm_id).host_id
    except NothingFits:
        return None
    finally:
        allocator.forget(request.vm_id)
