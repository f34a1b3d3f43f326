"""Remove a host. With `forced` its guests are stopped first; their disks stay where they are."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from uuid import uuid5

from aggregates.capacity import CapacityWithdrawn
from aggregates.errors import InUse, NotAllowed, NotFound
from aggregates.host import Host, HostMaintenanceFailed, HostRemoved
from aggregates.space import SpaceWithdrawn
from aggregates.storage_pool import StoragePoolRemoved
from aggregates.vm import Vm
from drivers.contract.errors import DriverError, Refused, Unavailable
from engine.decide import Desk
from engine.decisions.host import supply
from engine.decisions.record import unneeded
from engine.decisions.storage_pool import empty
from engine.evacuation import UNTIL_EMPTY
from engine.intents import SYSTEM, By
from engine.intents.host import RemoveHost
from engine.intents.vm import StopVm
from engine.routing.placing import clear_routers
from engine.saga import Run, Saga
from projections.capacity import Capacity
from projections.host import hosts
from projections.storage_pool import StoragePool, storage_pools
from projections.vm import vms

remove_host = Saga("host.remove:1", RemoveHost, subject="host", subject_id=lambda ask: ask.id)


@remove_host.step
def begin(run: Run[RemoveHost]) -> None:
    """From here on nothing new is placed on it; refused at once while something else needs it.

    Nobody's guest is stopped for a host that stays, because a volume lies in its own storage.
    """
    assert run.draft is not None
    host = run.row(hosts, run.intent.id)
    desk = Desk(run.draft, run.world, SYSTEM)
    unneeded("host", host, desk, but=("vm", "storage_pool"))
    _own_pools_are_empty(run, host, desk)
    guests = list(run.cloud[vms].by("host_id", host.id))
    if guests and not run.intent.forced:
        raise InUse(
            f"{len(guests)} virtual machines run on host {host.name}: prepare it for "
            "maintenance first, or remove it with forced=true, which stops them"
        )
    run.change(host, host.close(run.id))
    supply(run, host.id)


def _own_pools_are_empty(run: Run[RemoveHost], host: Host, desk: Desk) -> list[StoragePool]:
    """The pools that go with the host; refused while a volume lies there, or a job has one."""
    own = list(run.cloud[storage_pools].by("host_id", host.id))
    for pool in own:
        pool.idle()
        empty(pool, desk)
    return own


@begin.undo
def keep(run: Run[RemoveHost]) -> None:
    run.change(run.row(hosts, run.intent.id), HostMaintenanceFailed())
    supply(run, run.intent.id)


@remove_host.step(
    timeout_s=600,
    patience=UNTIL_EMPTY,
    no_undo="a guest that was stopped is its owner's to start",
)
async def stop_guests(run: Run[RemoveHost]) -> None:
    """A guest that another job has is waited for; so is one that is on its way to the host."""
    by = By(account_id=run.account_id, user_id=run.user_id)

    async def stop(vm: Vm) -> str:
        ask, run_id = StopVm(vm_id=vm.id, forced=True), uuid5(run.key, str(vm.id))
        try:
            job = await run.world.children.submit(ask, by, run_id=run_id)
        except (NotAllowed, NotFound):
            return ""
        why = await run.world.children.outcome(job.id)
        return f"virtual machine {vm.name} cannot be stopped: {why}" if why else ""

    async with asyncio.TaskGroup() as group:
        guests = run.cloud[vms].by("host_id", run.intent.id)
        stops = [group.create_task(stop(vm)) for vm in list(guests)]
    refused = [one.result() for one in stops if one.result()]
    if refused:
        raise Refused("; ".join(refused))
    if run.cloud.view(Capacity).is_used(run.intent.id):
        raise Unavailable("guests are on the host still, or on their way to it or from it")


@remove_host.step(no_undo="a connection is made again by who needs it, and so is a router")
async def disconnect(run: Run[RemoveHost]) -> None:
    """Routers leave, too. A host that is gone for good has none, and does not stay for that."""
    with suppress(DriverError):
        await clear_routers(run.cloud, run.world.hosts, run.intent.id)
    await run.world.hosts.drop(run.intent.id)


@remove_host.step(no_undo="the last step: nothing after it can fail")
def remove(run: Run[RemoveHost]) -> None:
    """The host and its own storage are no more; refused while a volume lies there."""
    assert run.draft is not None
    desk = Desk(run.draft, run.world, SYSTEM)
    host = run.row(hosts, run.intent.id)
    for pool in _own_pools_are_empty(run, host, desk):
        run.change(pool, StoragePoolRemoved())
        key = uuid5(pool.id, "supply")
        run.add(run.world.allocator.supply_pool(SpaceWithdrawn(pool_id=pool.id), key), key)
    unneeded("host", host, desk)
    run.change(host, HostRemoved())
    if host.hardware_id:
        key = uuid5(host.id, "supply")
        run.add(run.world.allocator.supply_host(CapacityWithdrawn(host_id=host.id), key), key)
