"""Remove what is ours and should not be there, with a record of what it was.

Only what the log once made comes here; strangers are reported and left alone. Forward only.
"""

from __future__ import annotations

from aggregates.errors import NotAllowed
from aggregates.finding import FindingKind, FindingMended, FindingOpened
from engine.intents.finding import SweepDisk, SweepGuest
from engine.saga import Run, Saga
from projections.finding import findings
from projections.vm import vms
from projections.volume import volumes

sweep_guest = Saga(
    "sweep.guest:1",
    SweepGuest,
    subject="host",
    subject_id=lambda ask: ask.host_id,
    forward_only=True,
)
sweep_disk = Saga(
    "sweep.disk:1",
    SweepDisk,
    subject="storage_pool",
    subject_id=lambda ask: ask.pool_id,
    forward_only=True,
)


@sweep_guest.step
def report_guest(run: Run[SweepGuest]) -> None:
    """Looked at again at the moment of deciding: a job may have begun since it was seen."""
    ask = run.intent
    if _guest_belongs(run):
        raise NotAllowed(f"virtual machine {ask.vm_id} belongs on that host by now")
    opened = FindingOpened(
        finding=FindingKind.ORPHAN_GUEST,
        place_id=ask.host_id,
        subject=str(ask.vm_id),
        text=ask.text,
    )
    run.create(ask.finding_id, opened)


def _guest_belongs(run: Run[SweepGuest]) -> bool:
    vm = run.cloud[vms].get(run.intent.vm_id)
    return vm is not None and (vm.job_id is not None or vm.host_id == run.intent.host_id)


@sweep_guest.step
async def remove_guest(run: Run[SweepGuest]) -> None:
    if _guest_belongs(run):
        return  # A job began since the report: what is there is that job's to see to.
    session = await run.world.hosts.session(run.intent.host_id)
    await session.remove_guest(run.intent.vm_id, key=run.key)


@sweep_guest.step
def mended_guest(run: Run[SweepGuest]) -> None:
    run.change(run.row(findings, run.intent.finding_id), FindingMended(how="it was removed"))


@sweep_disk.step
def report_disk(run: Run[SweepDisk]) -> None:
    ask = run.intent
    volume = run.cloud[volumes].get(ask.volume_id)
    if volume is not None and (volume.job_id is not None or volume.pool_id == ask.pool_id):
        raise NotAllowed(f"volume {volume.name} belongs in that pool by now")
    opened = FindingOpened(
        finding=FindingKind.ORPHAN_DISK,
        place_id=ask.pool_id,
        subject=str(ask.volume_id),
        text=ask.text,
    )
    run.create(ask.finding_id, opened)


@sweep_disk.step(timeout_s=600)
async def remove_disk(run: Run[SweepDisk]) -> None:
    session, pool = await run.world.hosts.with_pool(run.intent.pool_id)
    await session.remove_disk(pool, run.intent.volume_id, key=run.key)


@sweep_disk.step
def mended_disk(run: Run[SweepDisk]) -> None:
    run.change(run.row(findings, run.intent.finding_id), FindingMended(how="it was removed"))
