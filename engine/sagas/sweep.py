"""Remove what is ours and should not be there, with a record of what it was.

Only what the log once made comes here; strangers are reported and left alone. What cannot be
removed now is let be: the next look finds it again.
"""

from __future__ import annotations

from aggregates.errors import NotAllowed
from aggregates.finding import FindingKind, FindingMended, FindingOpened
from aggregates.vm import VmState, VmWorkEnded
from engine.intents.finding import SweepDisk, SweepGuest
from engine.saga import Run, Saga
from projections.finding import findings
from projections.host import hosts
from projections.storage_pool import storage_pools
from projections.vm import vms
from projections.volume import volumes

sweep_guest = Saga("sweep.guest:1", SweepGuest, subject="host", subject_id=lambda ask: ask.host_id)
sweep_disk = Saga(
    "sweep.disk:1",
    SweepDisk,
    subject="storage_pool",
    subject_id=lambda ask: ask.pool_id,
    forward_only=True,
)


@sweep_guest.step
def report_guest(run: Run[SweepGuest]) -> None:
    """Looked at again at the moment of deciding: a job may have begun since it was seen.

    From here on none may: one that starts the guest on this very host would have it removed. One
    that expunges the guest is in nobody's way, and may wait for just this.
    """
    ask = run.intent
    vm = run.cloud[vms].get(ask.vm_id)
    if vm is not None:
        if vm.host_id == ask.host_id:
            raise NotAllowed(f"virtual machine {vm.name} belongs on that host by now")
        if vm.state is not VmState.EXPUNGING:
            run.change(vm, vm.work("Sweeping", run.id, *VmState))
    opened = FindingOpened(
        finding=FindingKind.ORPHAN_GUEST,
        place_id=ask.host_id,
        subject=str(ask.vm_id),
        text=ask.text,
    )
    run.create(ask.finding_id, opened)


@report_guest.undo
def let_be(run: Run[SweepGuest]) -> None:
    _close(run, "it could not be removed: it is looked at again")


@sweep_guest.step(no_undo="what should not be there is not put back")
async def remove_guest(run: Run[SweepGuest]) -> None:
    if run.intent.host_id in run.cloud[hosts]:
        session = await run.world.hosts.session(run.intent.host_id)
        await session.remove_guest(run.intent.vm_id, key=run.key)


@sweep_guest.step(no_undo="the last step: nothing after it can fail")
def mended_guest(run: Run[SweepGuest]) -> None:
    _close(run, "it was removed")


def _close(run: Run[SweepGuest], how: str) -> None:
    vm = run.cloud[vms].get(run.intent.vm_id)
    if vm is not None and vm.job_id == run.id:
        run.change(vm, VmWorkEnded())
    run.change(run.row(findings, run.intent.finding_id), FindingMended(how=how))


@sweep_disk.step
def report_disk(run: Run[SweepDisk]) -> None:
    ask = run.intent
    if _disk_belongs(run):
        raise NotAllowed(f"volume {ask.volume_id} belongs in that pool by now")
    opened = FindingOpened(
        finding=FindingKind.ORPHAN_DISK,
        place_id=ask.pool_id,
        subject=str(ask.volume_id),
        text=ask.text,
    )
    run.create(ask.finding_id, opened)


def _disk_belongs(run: Run[SweepDisk]) -> bool:
    """By the log, or because a job that has the volume or its guest may be making it just now."""
    volume = run.cloud[volumes].get(run.intent.volume_id)
    if volume is None:
        return False
    vm = run.cloud[vms].get(volume.vm_id)
    is_busy = volume.job_id is not None or (vm is not None and vm.job_id is not None)
    return is_busy or volume.pool_id == run.intent.pool_id


@sweep_disk.step(timeout_s=600)
async def remove_disk(run: Run[SweepDisk]) -> None:
    if _disk_belongs(run) or run.intent.pool_id not in run.cloud[storage_pools]:
        return  # A job began since the report: what is there is that job's to see to.
    session, pool = await run.world.hosts.with_pool(run.intent.pool_id)
    await session.remove_disk(pool, run.intent.volume_id, key=run.key)


@sweep_disk.step
def mended_disk(run: Run[SweepDisk]) -> None:
    run.change(run.row(findings, run.intent.finding_id), FindingMended(how="it was removed"))
