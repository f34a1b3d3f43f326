"""Take over a guest that no controller made, as it runs; and let go of one of ours."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.errors import AlreadyExists, InUse
from aggregates.vm import Nic, Vm, VmCreated, VmExpunged, VmNicsSet, VmStarted, VmState
from aggregates.vm_life import VmUnmanaged
from aggregates.volume import VolumeBusy, VolumeCreated, VolumeReady, VolumeRemoved, VolumeState
from drivers.contract.compute import Adoption
from engine.abilities import demand
from engine.addresses import claim_mac, free_addresses, free_cards, take_ip, take_mac, way_out
from engine.allocator import PlaceRequest, SpaceRequest
from engine.disks import delete_upload, pool_spec, release_disk, space_key
from engine.guests import disks_of, free_capacity
from engine.intents.adopt import AdoptNic, AdoptVm, UnmanageVm
from engine.ip_rules import forget_guest
from engine.lodging import come_to
from engine.rules_to import refuse_ruled
from engine.saga import Run, Saga
from engine.vm_snapshots import refuse_while_kept
from projections.disk_offering import disk_offerings
from projections.host import hosts
from projections.network import Network, networks
from projections.nic import Nics
from projections.service_offering import service_offerings
from projections.storage_pool import storage_pools
from projections.vm import vms
from projections.volume import volumes

adopt_vm = Saga("vm.adopt:1", AdoptVm, subject="vm", subject_id=lambda ask: ask.vm_id)
unmanage_vm = Saga(
    "vm.unmanage:1",
    UnmanageVm,
    subject="vm",
    subject_id=lambda ask: ask.vm_id,
    forward_only=True,
)


def _vm(run: Run[Any]) -> Vm:
    vm_id: UUID = run.intent.vm_id
    return run.row(vms, vm_id)


@adopt_vm.step
def begin(run: Run[AdoptVm]) -> None:
    """The guest, its volumes and its cards exist from here on, and are this job's."""
    ask = run.intent
    demand(run, ask.hypervisor, "adoption", "adopt_guest")
    run.guard(run.row(service_offerings, ask.service_offering_id))
    run.create(
        ask.vm_id,
        VmCreated(
            name=ask.name,
            display_name=ask.display_name,
            account_id=ask.account_id,
            domain_id=ask.domain_id,
            user_id=ask.user_id,
            zone_id=ask.zone_id,
            template_id=ask.template_id,
            service_offering_id=ask.service_offering_id,
            hypervisor=ask.hypervisor,
            cpu_count=ask.cpu_count,
            cpu_mhz=ask.cpu_mhz,
            memory_mib=ask.memory_mib,
            instance_name=ask.stranger,
            user_data="",
            key_pairs=[],
            host_tags=ask.host_tags,
            details=ask.details,
            is_displayed=True,
            nics=[],
        ),
    )
    vm = _vm(run)
    run.change(vm, vm.work("Importing", run.id, VmState.STOPPED))
    for disk in ask.disks:
        if disk.offering_id is not None:
            run.guard(run.row(disk_offerings, disk.offering_id))
        created = VolumeCreated(
            name=disk.name,
            account_id=ask.account_id,
            domain_id=ask.domain_id,
            zone_id=ask.zone_id,
            kind="ROOT" if disk.device == 0 else "DATADISK",
            size_bytes=disk.size_bytes,
            offering_id=disk.offering_id,
            template_id=None,
            vm_id=ask.vm_id,
            device=disk.device,
            is_displayed=True,
        )
        run.create(disk.volume_id, created)
        busy = VolumeBusy(doing=VolumeState.CREATING, job_id=run.id)
        run.change(run.row(volumes, disk.volume_id), busy)
    nics = [_card(run, nic, is_default=number == 0) for number, nic in enumerate(ask.nics)]
    run.change(_vm(run), VmNicsSet(nics=nics))


def _card(run: Run[AdoptVm], ask: AdoptNic, *, is_default: bool) -> Nic:
    """The card as it is; its MAC, and an address of its network, are promised to it."""
    network = run.row(networks, ask.network_id)
    come_to(run, network, run.intent.account_id)
    _take_mac(run, ask, network)
    if not network.has_addresses:
        return Nic(id=ask.nic_id, network_id=network.id, mac=ask.mac, is_default=is_default)
    pod_id = run.row(hosts, run.intent.host_id).pod_id
    ip4 = take_ip(run, ask.nic_id, ask.nic_id, network, ask.ip4, pod_id=pod_id)
    gateway, netmask = way_out(run.cloud, network, ip4)
    return Nic(
        id=ask.nic_id,
        network_id=network.id,
        mac=ask.mac,
        ip4=ip4,
        gateway=gateway,
        netmask=netmask,
        is_default=is_default,
    )


def _take_mac(run: Run[AdoptVm], ask: AdoptNic, network: Network) -> None:
    """A card that is back holds its MAC still; its name settles who of two brings it back."""
    taken = AlreadyExists(f"another guest has the MAC address {ask.mac}: see forced")
    if ask.is_back:
        if ask.nic_id in run.cloud.view(Nics):
            raise taken
        claim_mac(run, ask.nic_id, network, ask.mac)
    try:
        take_mac(run, ask.nic_id, network, ask.mac)
    except AlreadyExists:
        if not run.intent.forced:
            raise taken from None
        claim_mac(run, ask.nic_id, network, ask.mac)


@begin.undo
def erase(run: Run[AdoptVm]) -> None:
    vm = _vm(run)
    forget_guest(run, vm)
    back = {ask.nic_id for ask in run.intent.nics if ask.is_back}
    for nic in vm.nics:
        if nic.id in back:
            free_addresses(run, nic)
        else:
            free_cards(run, [nic])
    for disk in disks_of(run, vm.id):
        run.change(disk, VolumeRemoved())
    run.change(vm, VmExpunged())


@adopt_vm.step
def hold_room(run: Run[AdoptVm]) -> None:
    """Room on its host and in its pools: it takes that already, so it is promised or refused."""
    ask = run.intent
    place = PlaceRequest(
        vm_id=ask.vm_id,
        zone_id=ask.zone_id,
        host_id=ask.host_id,
        hypervisor=ask.hypervisor,
        cpu_count=ask.cpu_count,
        cpu_mhz=ask.cpu_mhz,
        memory_mib=ask.memory_mib,
        tags=frozenset(ask.host_tags),
    )
    run.add(run.world.allocator.place(place, run.key), run.key)
    for disk in ask.disks:
        hold = space_key(run.key, disk.volume_id)
        room = SpaceRequest(
            volume_id=disk.volume_id,
            zone_id=ask.zone_id,
            pool_id=disk.pool_id,
            size_bytes=disk.size_bytes,
        )
        run.add(run.world.allocator.take_space(room, hold), hold)
        run.guard(run.row(storage_pools, disk.pool_id))


@hold_room.undo
def free_room(run: Run[AdoptVm]) -> None:
    run.add(run.world.allocator.release(run.key), run.key)
    for disk in run.intent.disks:
        hold = space_key(run.key, disk.volume_id)
        run.add(run.world.allocator.release_space(hold), hold)


@adopt_vm.step
async def adopt_disks(run: Run[AdoptVm]) -> dict[UUID, str]:
    session = await run.world.hosts.session(run.intent.host_id)
    paths = {}
    for disk in run.intent.disks:
        pool = pool_spec(run, disk.pool_id)
        there = await session.adopt_disk(pool, disk.path, disk.volume_id, key=run.key)
        paths[disk.volume_id] = there.path
    return paths


@adopt_disks.undo
async def disown_disks(run: Run[AdoptVm]) -> None:
    session = await run.world.hosts.session(run.intent.host_id)
    for disk in run.intent.disks:
        await session.disown_disk(pool_spec(run, disk.pool_id), disk.volume_id, key=run.key)


@adopt_vm.step
async def adopt_guest(run: Run[AdoptVm]) -> None:
    ask, paths = run.intent, run[adopt_disks]
    session = await run.world.hosts.session(ask.host_id)
    adoption = Adoption(
        guest_id=ask.vm_id,
        name=ask.name,
        disks=tuple((disk.volume_id, paths[disk.volume_id]) for disk in ask.disks),
        nics=tuple((nic.nic_id, nic.mac) for nic in ask.nics),
    )
    await session.adopt_guest(ask.stranger, adoption, key=run.key)


@adopt_guest.undo
async def disown_guest(run: Run[AdoptVm]) -> None:
    session = await run.world.hosts.session(run.intent.host_id)
    await session.disown_guest(run.intent.vm_id, key=run.key)


@adopt_vm.step(no_undo="the last step: nothing after it can fail")
def adopted(run: Run[AdoptVm]) -> None:
    ask, hold = run.intent, run.key_of(hold_room)
    run.change(_vm(run), VmStarted(host_id=ask.host_id, hold=hold))
    for disk in ask.disks:
        ready = VolumeReady(
            pool_id=disk.pool_id,
            path=run[adopt_disks][disk.volume_id],
            size_bytes=disk.size_bytes,
            hold=space_key(hold, disk.volume_id),
        )
        run.change(run.row(volumes, disk.volume_id), ready)


@unmanage_vm.step
def begin_letting_go(run: Run[UnmanageVm]) -> None:
    """A stopped guest is on no host: there would be nothing to let go of."""
    vm = _vm(run)
    if vm.iso_id is not None:
        raise InUse(f"virtual machine {vm.name} has an ISO in its drive: detach it first")
    refuse_while_kept(run.cloud, vm, "cannot be let go of")
    for nic in vm.nics:
        refuse_ruled(run.cloud, vm, nic)
    run.change(vm, vm.work("Unmanaging", run.id, VmState.RUNNING))


@unmanage_vm.step
async def let_guest_go(run: Run[UnmanageVm]) -> None:
    vm = _vm(run)
    assert vm.host_id is not None
    session = await run.world.hosts.session(vm.host_id)
    await session.disown_guest(vm.id, key=run.key)


@unmanage_vm.step
async def let_disks_go(run: Run[UnmanageVm]) -> None:
    for disk in disks_of(run, run.intent.vm_id):
        if disk.pool_id is not None:
            session, pool = await run.world.hosts.with_pool(disk.pool_id)
            await session.disown_disk(pool, disk.id, key=run.key)
        await delete_upload(run, disk)


@unmanage_vm.step
def let_go(run: Run[UnmanageVm]) -> None:
    """Rules that were made to it meanwhile go with it. Nobody gets the MACs that it goes on using:
    they stay its cards', which have them again should it be taken over."""
    vm = _vm(run)
    free_capacity(run, vm)
    forget_guest(run, vm)
    for nic in vm.nics:
        free_addresses(run, nic)
    for disk in disks_of(run, vm.id):
        release_disk(run, disk)
        run.change(disk, VolumeRemoved())
    run.change(vm, VmUnmanaged())
