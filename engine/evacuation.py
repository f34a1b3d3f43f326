"""Empty a host of its guests: whether they can all leave, known beforehand, and their leaving.

Every kind of hypervisor is treated alike. A guest that cannot move while it runs (its kind does not
do that, or its disk is on storage of its host alone) is stopped only if the operator's setting asks
for it; otherwise the refusal comes before anything starts.
"""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid5

from aggregates.errors import NotAllowed, NotFound
from aggregates.host import Host
from aggregates.vm import Vm
from drivers.contract.errors import Refused, Unavailable
from engine.allocator import NothingFits
from engine.disks import kept_by_its_host
from engine.guests import named, request_elsewhere
from engine.intents import By
from engine.intents.vm import MigrateVm, StopVm
from engine.retry import Patience
from engine.saga import Run
from projections.capacity import Capacity
from projections.host import hosts
from projections.setting import value_of
from projections.vm import vms

SIDE_BY_SIDE = 4
# A guest that another job has is waited for; it is asked again for about half an hour.
UNTIL_EMPTY = Patience(attempts=70, first_s=0.2, longest_s=30.0)
STRATEGY = "host.maintenance.local.storage.strategy"


def refuse_if_stuck(run: Run[Any], host: Host) -> None:
    """Refuse to empty a host on which guests would stay, unless those are to be stopped."""
    if value_of(run.cloud, STRATEGY) == "ForceStop":
        return
    stuck = [why for vm in run.cloud[vms].by("host_id", host.id) if (why := why_stays(run, vm))]
    if stuck:
        raise NotAllowed(
            f"host {host.name} cannot be emptied: {'; '.join(stuck)}; stop such guests first, or "
            f"set {STRATEGY} to ForceStop"
        )


def why_stays(run: Run[Any], vm: Vm) -> str:
    """Why the guest cannot leave its host while it runs; empty if it can."""
    capabilities = run.world.hosts.capabilities(vm.hypervisor)
    for what in ("live_migration", "migrate_guest"):
        if (why := capabilities.why_not(what)) is not None:
            return f"virtual machine {vm.name} stays where it is ({vm.hypervisor} hosts: {why})"
    kept = kept_by_its_host(run.cloud, vm.id)
    return f"virtual machine {vm.name} stays where it is ({kept})" if kept else ""


def refuse_if_crowded(run: Run[Any], host: Host) -> None:
    """Refuse to empty a host whose guests do not all fit on the others of its cluster now.

    They are placed as they would be, all of them at once, and nothing of it is kept.
    """
    tried = []
    try:
        for vm in run.cloud[vms].by("host_id", host.id):
            if why_stays(run, vm):
                continue
            request = request_elsewhere(run.cloud, vm, host_id=None, cluster_id=host.cluster_id)
            tried.append(uuid5(host.id, f"trial {vm.id}"))
            try:
                run.world.allocator.place(request, tried[-1])
            except NothingFits as nothing:
                raise NotAllowed(
                    f"host {host.name} cannot be emptied: virtual machine {vm.name} fits on no "
                    f"other host of its cluster: {named(run, nothing, ())}"
                ) from None
    finally:
        for hold in tried:
            run.world.allocator.forget(hold)


async def evacuate(run: Run[Any], host_id: UUID) -> int:
    """Each guest is moved, or stopped, by a job of its own; says how many there were."""
    guests = list(run.cloud[vms].by("host_id", host_id))
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def leave(vm: Vm) -> str:
        async with turns:
            return await _leave(run, vm)

    async with asyncio.TaskGroup() as group:
        leaving = [group.create_task(leave(vm)) for vm in guests]
    refused = [one.result() for one in leaving if one.result()]
    if refused:
        raise Refused("; ".join(refused))
    if run.cloud.view(Capacity).is_used(host_id):
        raise Unavailable("guests are on the host still, or on their way to it or from it")
    return len(guests)


async def _leave(run: Run[Any], vm: Vm) -> str:
    """Why the guest could not leave; empty if it did, or if another job has it just now."""
    children, by = run.world.children, By(account_id=run.account_id, user_id=run.user_id)
    stays = why_stays(run, vm)
    if stays and value_of(run.cloud, STRATEGY) != "ForceStop":
        host = run.cloud[hosts][vm.host_id] if vm.host_id else None
        return f"{stays}: stop it on host {host.name if host else 'unknown'} first"
    ask: object = StopVm(vm_id=vm.id) if stays else MigrateVm(vm_id=vm.id)
    try:
        job = await children.submit(ask, by, run_id=uuid5(run.key, str(vm.id)))
    except (NotAllowed, NotFound):
        return ""
    why = await children.outcome(job.id)
    verb = "stopped" if stays else "moved"
    return f"virtual machine {vm.name} cannot be {verb}: {why}" if why else ""
