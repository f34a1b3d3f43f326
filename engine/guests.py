"""How a guest comes to run on a host: the steps that deploying and starting share.

    room    promise it a host, and a pool for each disk that is on none yet      (decides)
    disks   make those disks                                                     (world)
    guest   run it                                                               (world)
    running record where it runs and what its disks have become                  (decides)

Each part is keyed by the step that runs it, so that a retry finds what it made and the undo
removes just that. A host that is out of reach is left, once nothing of the guest is on it, for
another one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from aggregates.errors import Exhausted, NotAllowed
from aggregates.host import HostState
from aggregates.vm import Nic, Vm, VmStarted
from aggregates.volume import Volume, VolumeReady
from drivers.contract.compute import GuestSpec, NicSpec
from drivers.contract.driver import HostSession
from drivers.contract.errors import Unavailable
from engine import appliances, config_drive, passwords
from engine.addresses import Deciding, pod_of
from engine.affinity import meet, wishes_of
from engine.allocator import (
    HostDecision,
    NothingFits,
    PlaceRequest,
    SpaceRequest,
)
from engine.crowding import bounds_of, crowded, policy_for, refuse_rolling, told
from engine.decide import Desk
from engine.dedication import kept_for
from engine.discs import disc_for, pool_of
from engine.disks import (
    attachment,
    in_service,
    make_disk,
    pool_spec,
    pool_tags,
    refuse_apart,
    source_pool,
    space_key,
)
from engine.growth import bounds
from engine.hardware import hardware_of
from engine.routers import implement
from engine.saga import Run, Saga, Step
from engine.traffic_labels import label_of
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.host import hosts
from projections.network import networks
from projections.rolling_maintenance import rolling_clusters
from projections.storage_pool import StoragePool, storage_pools
from projections.table import TableSpec
from projections.vm import vms
from projections.volume import volumes

HOSTS_TRIED = 3
"""How many hosts a guest is started on before its job fails, if one after the other is lost."""

I = TypeVar("I")  # noqa: E741 - the intent


@dataclass(frozen=True, slots=True)
class Where:
    """What a caller asked about the place; None leaves it to the allocator.

    `planner` is CloudStack's name for a way to choose among the hosts that have room.
    """

    pod_id: UUID | None = None
    cluster_id: UUID | None = None
    host_id: UUID | None = None
    planner: str = ""
    consider_last_host: bool = True


@dataclass(frozen=True, slots=True)
class Room:
    """A host, the hold on it, and the pool of each disk that is to be made."""

    host_id: UUID
    hold: UUID
    pools: dict[UUID, UUID] = field(default_factory=dict)


def disks_of(run: Run[Any], vm_id: UUID) -> list[Volume]:
    """The guest's volumes by device; those that this run is just creating included."""
    found: Collection[Volume] = run.cloud[volumes].by("vm_id", vm_id)
    if run.draft is not None:
        mine = [volume for volume in run.draft.rows(volumes) if volume.vm_id == vm_id]
        found = {volume.id.int: volume for volume in (*found, *mine)}.values()
    return sorted(found, key=lambda volume: volume.device or 0)


def take_room(run: Run[Any], vm: Vm, where: Where, not_on: Collection[UUID] = ()) -> Room:
    """Promise the guest a host whose pools have room for its disks; none of those in `not_on`."""
    cloud, disks = run.cloud, disks_of(run, vm.id)
    for disk in disks:
        in_service(run, disk)
    place = _narrowed(run, vm, disks, where)
    refuse_rolling(cloud, place.host_id)
    kept = kept_for(cloud, vm.account_id, vm.zone_id)
    wishes = wishes_of(cloud, vm.affinity_group_ids, vm.id)
    last = kept.prefers(vm.last_host_id if where.consider_last_host else None)
    avoid = set(not_on)
    policy = policy_for(cloud, where.planner, vm.zone_id, run.key)
    size = vm.cpu_count * vm.cpu_mhz, vm.memory_mib
    bounds = bounds_of(cloud, vm.zone_id)
    wanted = [_room(run, vm, disk) for disk in disks if disk.pool_id is None]
    while True:
        request = PlaceRequest(
            vm_id=vm.id,
            zone_id=vm.zone_id,
            pod_id=pod_of(cloud, vm.nics) or place.pod_id,
            cluster_id=place.cluster_id,
            host_id=place.host_id,
            hypervisor=vm.hypervisor,
            cpu_count=vm.cpu_count,
            cpu_mhz=vm.cpu_mhz,
            memory_mib=vm.memory_mib,
            tags=frozenset(vm.host_tags),
            avoid=wishes.avoid | avoid,
            barred=kept.barred,
            only=wishes.only,
            prefer=wishes.prefer or last,
            prefer_not=wishes.prefer_not,
            bounds=bounds,
            volumes=tuple(wanted),
            policy=policy,
        )
        try:
            chosen = run.world.allocator.place(request, run.key)
        except NothingFits as nothing:
            words = (*wishes.words, *told(cloud, crowded(cloud, vm.zone_id, *size)))
            raise named(run, nothing, words) from None
        try:
            chosen = _whole(run, request, chosen)
        except NothingFits:
            avoid.add(chosen.host_id)
            run.world.allocator.forget(run.key)
            continue
        pools = list(_take_pools(run, wanted, chosen.host_id))
        run.add(chosen, run.key)
        meet(run, vm, chosen.host_id)
        for hold, decision in pools:
            run.add(decision, hold)
            run.guard(run.row(storage_pools, decision.pool_id))
        found = {one.volume_id: p.pool_id for one, (_, p) in zip(wanted, pools, strict=True)}
        return Room(chosen.host_id, run.key, found)


def _whole(run: Run[Any], request: PlaceRequest, chosen: HostDecision) -> HostDecision:
    """The same host, with all that it offers, where a guest has a machine for itself."""
    if not run.world.hosts.capabilities(request.hypervisor or "").whole_host:
        return chosen
    offer = run.cloud.view(Capacity).supply_of(chosen.host_id)
    assert offer is not None
    run.world.allocator.forget(run.key)
    everything = msgspec.structs.replace(
        request,
        host_id=chosen.host_id,
        cpu_count=offer.cpu_count,
        cpu_mhz=offer.offered_mhz // offer.cpu_count,
        memory_mib=offer.offered_mib,
    )
    return run.world.allocator.place(everything, run.key)


def named(at: Desk | Run[Any], nothing: NothingFits, words: tuple[str, ...]) -> Exhausted:
    """The refusal with hosts and pools by their names, as its reader knows them."""

    def name_of(place_id: UUID) -> str:
        kinds: tuple[tuple[str, TableSpec[Any]], ...] = (("host", hosts), ("pool", storage_pools))
        for kind, spec in kinds:
            if (row := at.cloud[spec].get(place_id)) is not None:
                return f"{kind} {row.name}"
        return str(place_id)

    return Exhausted("; ".join([*nothing.explanation.told(name_of), *words]))


def _room(run: Run[Any], vm: Vm, disk: Volume) -> SpaceRequest:
    """Room for a disk of the guest, wherever that is placed."""
    return SpaceRequest(
        volume_id=disk.id,
        zone_id=disk.zone_id,
        size_bytes=disk.size_bytes,
        tags=pool_tags(run, disk, vm),
    )


def _take_pools(
    run: Run[Any], wanted: list[SpaceRequest], host_id: UUID
) -> Iterator[tuple[UUID, Any]]:
    """A pool that the host reaches for each; there are some, as the host was chosen for that."""
    host = run.cloud[hosts][host_id]
    for one in wanted:
        hold = space_key(run.key, one.volume_id)
        near = msgspec.structs.replace(
            one, pod_id=host.pod_id, cluster_id=host.cluster_id, host_id=host_id
        )
        yield hold, run.world.allocator.take_space(near, hold)


def _narrowed(run: Run[Any], vm: Vm, disks: list[Volume], where: Where) -> Where:
    """A disk that is on a pool already ties the guest to the hosts that reach the pool.

    So does one that is to be made of a snapshot: it is copied from where that lies. No host runs
    a guest whose disks were moved where none reaches all of them.
    """
    pod_id, cluster_id, host_id = where.pod_id, where.cluster_id, where.host_id
    known: list[tuple[Volume, StoragePool]] = []
    for disk in disks:
        if disk.pool_id is not None:
            pool: StoragePool | None = run.cloud[storage_pools][disk.pool_id]
        else:
            pool = source_pool(run, disk)
        if pool is not None:
            _reached_from(pool, where)
            for other in known:
                refuse_apart(vm, other, (disk, pool))
            known.append((disk, pool))
            cluster_id = cluster_id or pool.cluster_id
            host_id = host_id or pool.host_id
    return Where(pod_id, cluster_id, host_id)


def _reached_from(pool: StoragePool, where: Where) -> None:
    """Refuse a place that somebody asked for and that does not reach the pool."""
    for asked, serves, noun in (
        (where.host_id, pool.host_id, "host"),
        (where.cluster_id, pool.cluster_id, "cluster"),
    ):
        if asked is not None and serves is not None and asked != serves:
            raise NotAllowed(
                f"the guest's disk is in storage pool {pool.name}, which serves {noun} {serves} "
                f"alone: leave {noun}id out, or move the volume first"
            )


def take_room_elsewhere(
    at: Desk | Run[Any],
    vm: Vm,
    hold: UUID,
    *,
    host_id: UUID | None,
    cluster_id: UUID | None = None,
) -> UUID:
    """Promise a guest that runs a place on another host, by the rules that its start went by."""
    request = request_elsewhere(at.cloud, vm, host_id=host_id, cluster_id=cluster_id)
    try:
        chosen = at.world.allocator.place(request, hold)
    except NothingFits as nothing:
        raise named(at, nothing, ()) from None
    at.add(chosen, hold)
    meet(at, vm, chosen.host_id)
    return chosen.host_id


def request_elsewhere(
    cloud: Cloud, vm: Vm, *, host_id: UUID | None, cluster_id: UUID | None
) -> PlaceRequest:
    """What a guest that runs needs of another host. It is new to clusters other than its own."""
    assert vm.host_id is not None
    closed = frozenset(rolling_clusters(cloud)) - {cloud[hosts][vm.host_id].cluster_id}
    if host_id is not None and cloud[hosts][host_id].cluster_id in closed:
        refuse_rolling(cloud, host_id)
    kept = kept_for(cloud, vm.account_id, vm.zone_id)
    wishes = wishes_of(cloud, vm.affinity_group_ids, vm.id)
    return PlaceRequest(
        vm_id=vm.id,
        zone_id=vm.zone_id,
        pod_id=pod_of(cloud, vm.nics),
        cluster_id=cluster_id,
        host_id=host_id,
        hypervisor=vm.hypervisor,
        cpu_count=vm.cpu_count,
        cpu_mhz=vm.cpu_mhz,
        memory_mib=vm.memory_mib,
        tags=frozenset(vm.host_tags),
        avoid=kept.barred | wishes.avoid | {vm.host_id},
        only=wishes.only,
        prefer=wishes.prefer or kept.own,
        prefer_not=wishes.prefer_not,
        crowded=closed,
    )


def free_capacity(at: Deciding, vm: Vm) -> None:
    """Give back all the room that a guest has on its host."""
    for hold in vm.holds:
        at.add(at.world.allocator.release(hold), hold)


def give_back(run: Run[Any], vm_id: UUID) -> None:
    """Undo of `take_room`: what was promised under this key is free again."""
    run.add(run.world.allocator.release(run.key), run.key)
    for disk in disks_of(run, vm_id):
        hold = space_key(run.key, disk.id)
        run.add(run.world.allocator.release_space(hold), hold)


async def make_disks(run: Run[Any], vm: Vm, room: Room) -> dict[UUID, str]:
    """Make each disk that was given a pool; answers with the path of each.

    A host that is out of reach is found out here, before it is asked to run anything: nobody has
    to reach it again to undo that.
    """
    session = await run.world.hosts.session(room.host_id)
    if not room.pools:
        await session.find_guest(vm.id)
    made: dict[UUID, str] = {}
    for volume_id, pool_id in room.pools.items():
        volume, key = run.cloud[volumes][volume_id], space_key(run.key, volume_id)
        status = await make_disk(run, session, pool_spec(run, pool_id), volume, key=key)
        made[volume_id] = status.path
    return made


async def remove_disks(run: Run[Any], room: Room) -> None:
    """Undo of `make_disks`, by another host that reaches the pool if that one does not answer.

    No guest has these disks. One that a host still makes after all is an orphan for the sweeps.
    """
    for volume_id, pool_id in room.pools.items():
        key = space_key(run.key, volume_id)
        try:
            session = await run.world.hosts.session(room.host_id)
            await session.remove_disk(pool_spec(run, pool_id), volume_id, key=key)
        except Unavailable:
            session, pool = await run.world.hosts.with_pool(pool_id)
            await session.remove_disk(pool, volume_id, key=key)


async def start_guest(run: Run[Any], vm: Vm, room: Room, paths: dict[UUID, str]) -> None:
    may_take_its_kinds_time(run, vm)
    session = await run.world.hosts.session(room.host_id)
    pool_id = next(iter(room.pools.values()), None)
    await session.start_guest(await whole_spec(run, vm, session, paths, pool_id), key=run.key)


def may_take_its_kinds_time(run: Run[Any], vm: Vm) -> None:
    """A hypervisor starts a guest at once; a machine is wiped, installed and booted meanwhile."""
    run.may_take(run.world.hosts.capabilities(vm.hypervisor).start_s)


async def whole_spec(
    run: Run[Any],
    vm: Vm,
    session: HostSession,
    paths: dict[UUID, str],
    pool_id: UUID | None = None,
    password: str = "",
) -> GuestSpec:
    """All that a start gives the guest: its disks and cards, what it is told, the disc in its
    drive. `pool_id` is where that lies if no disk of the guest is on a pool yet; without a
    `password` it is told one that is due.
    """
    spec = guest_spec(run, vm, paths)
    if vm.appliance is not None:
        secrets = await passwords.properties(run, vm)
        spec = replace(spec, appliance=appliances.told(vm.appliance, secrets))
    told = config_drive.files_for(run, vm, password or await passwords.due(run, vm))
    if told:
        spec = replace(spec, config=told)
    if vm.iso_id is None:
        return spec
    disc = await disc_for(run, vm, vm.iso_id, session, pool_of(run, vm.id) or pool_id)
    return spec if disc is None else replace(spec, disks=(*spec.disks, disc))


async def remove_guest(run: Run[Any], vm_id: UUID, host_id: UUID) -> None:
    """Undo of `start_guest`: nothing of the guest is left on that host."""
    session = await run.world.hosts.session(host_id)
    await session.remove_guest(vm_id, key=run.key)


def record_running(run: Run[Any], vm: Vm, room: Room, paths: dict[UUID, str]) -> None:
    """One commit says where the guest runs, what its disks became, and that the job is done."""
    told = config_drive.tells(run, vm)
    run.change(vm, VmStarted(host_id=room.host_id, hold=room.hold, password_told=told))
    for disk in disks_of(run, vm.id):
        if disk.id in paths:
            run.change(
                disk,
                VolumeReady(
                    pool_id=room.pools[disk.id],
                    path=paths[disk.id],
                    size_bytes=disk.size_bytes,
                    hold=space_key(room.hold, disk.id),
                ),
            )
    for network_id in {nic.network_id for nic in vm.nics}:
        implement(run, run.row(networks, network_id))


def add_running_steps(
    saga: Saga[I],
    vm_id: Callable[[I], UUID],
    where: Callable[[I], Where],
    *,
    is_first: bool = False,
) -> Step[I, Room]:
    """Give a saga the four steps that end with the guest running.

    If its first start does not succeed, nothing of the guest remains: not its password either.
    """

    @saga.step(choices=HOSTS_TRIED)
    def hold_room(run: Run[I]) -> Room:
        lost = [room.host_id for room in run.chosen(hold_room)]
        return take_room(run, run.row(vms, vm_id(run.intent)), where(run.intent), lost)

    @hold_room.undo
    def free_room(run: Run[I]) -> None:
        give_back(run, vm_id(run.intent))

    def is_lost(run: Run[I]) -> bool:
        host = run.cloud[hosts].get(run[hold_room].host_id)
        return host is None or host.state is HostState.DISCONNECTED

    @saga.step(timeout_s=900, hopeless=is_lost)
    async def create_disks(run: Run[I]) -> dict[UUID, str]:
        return await make_disks(run, run.row(vms, vm_id(run.intent)), run[hold_room])

    @create_disks.undo
    async def delete_disks(run: Run[I]) -> None:
        if hold_room in run:
            await remove_disks(run, run[hold_room])
        if is_first and not run.is_turning:
            await passwords.forget_all(run, run.row(vms, vm_id(run.intent)))

    @saga.step(timeout_s=120)
    async def start(run: Run[I]) -> None:
        vm = run.row(vms, vm_id(run.intent))
        await start_guest(run, vm, run[hold_room], run[create_disks])

    @start.undo
    async def remove(run: Run[I]) -> None:
        if hold_room in run:
            await remove_guest(run, vm_id(run.intent), run[hold_room].host_id)

    @saga.step(no_undo="the last step: nothing after it can fail")
    def running(run: Run[I]) -> None:
        record_running(run, run.row(vms, vm_id(run.intent)), run[hold_room], run[create_disks])

    return hold_room


def guest_spec(run: Run[Any], vm: Vm, paths: dict[UUID, str]) -> GuestSpec:
    """The guest as its hypervisor is told to run it."""
    disks = [
        attachment(run, disk, paths.get(disk.id) or disk.path, vm=vm)
        for disk in disks_of(run, vm.id)
    ]
    cpu_max, memory_max_mib = bounds(run.cloud, vm)
    return GuestSpec(
        guest_id=vm.id,
        name=vm.name,
        instance_name=vm.instance_name,
        cpu_count=vm.cpu_count,
        cpu_mhz=vm.cpu_mhz,
        memory_mib=vm.memory_mib,
        disks=tuple(disks),
        nics=tuple(nic_spec(run, vm, nic) for nic in vm.nics),
        user_data=vm.user_data,
        labels=(("account", str(vm.account_id)), ("zone", str(vm.zone_id))),
        boot=vm.boot,
        cpu_max=cpu_max,
        memory_max_mib=memory_max_mib,
        hardware=hardware_of(run.cloud, vm),
    )


def nic_spec(run: Run[Any], vm: Vm, nic: Nic) -> NicSpec:
    """A network card, on the bridge that carries guest traffic for this hypervisor."""
    network = run.cloud[networks][nic.network_id]
    label = label_of(run.cloud, network.physical_network_id, "Guest", vm.hypervisor)
    model = card_model(vm, nic)
    return NicSpec(
        nic_id=nic.id, mac=nic.mac, bridge=label, vlan=network.vlan, ip4=nic.ip4, model=model
    )


def card_model(vm: Vm, nic: Nic) -> str:
    """The card that an appliance knows, for the first ones; else what is best."""
    known = () if vm.appliance is None else vm.appliance.cards
    at = next((number for number, one in enumerate(vm.nics) if one.id == nic.id), len(known))
    return (known[at].lower() if at < len(known) else "") or "virtio"
