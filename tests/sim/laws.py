"""What must hold: at every moment of a run, and when all is healed. Independent of the engine.

The judges of `tests/sagas/judge.py` are asked as well; these add what only shows in a whole cloud.
Nothing here trusts a fold where it can count from the rows and the world themselves.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from aggregates.affinity_group import APART
from aggregates.base import Recorded
from aggregates.errors import NotFound
from aggregates.finding import FindingKind
from aggregates.host import HostState
from aggregates.storage_pool import PoolState
from benchmarks.cloud import Bed
from drivers.contract.compute import Power
from drivers.sim import SimWorld
from engine.ip_rules import addresses_of
from engine.routing.leases import frame_of, leases_of
from engine.routing.picture import picture
from engine.routing.placing import is_wanted
from projections.addresses import Addresses
from projections.affinity_group import affinity_groups
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.cluster import clusters
from projections.counts import Counts
from projections.finding import findings
from projections.host import hosts
from projections.iso import isos
from projections.network import networks
from projections.public_ip_address import public_ip_addresses
from projections.router import routers
from projections.router_place import router_places
from projections.snapshot import snapshots
from projections.space import Space
from projections.storage_pool import storage_pools
from projections.table import TABLES
from projections.vm import vms
from projections.vm_snapshot import vm_snapshots
from projections.volume import volumes
from tests.sagas.judge import has_own_address, holds_its_vlan, judge
from tests.sim import places
from tests.sim.references import nothing_dangles
from tests.sim.tenants import Tenants

# What is only reported: a person says what becomes of it.
LET_BE = (FindingKind.TOO_FULL, FindingKind.STRANGER_GUEST, FindingKind.STRANGER_DISK)
ALIVE = (Power.RUNNING, Power.PAUSED)
MIB = 1024**2


def always(cloud: Cloud, world: SimWorld) -> None:
    """Safety: what not even the worst moment excuses."""
    alive = [guest for guest in world.residue().guests if guest.power in ALIVE]
    _once((guest.guest_id for guest in alive if guest.guest_id), "a guest runs on two hosts")
    written = [disk for guest in alive for disk in guest.disks if not disk.read_only]
    _once((disk.volume_id for disk in written), "a disk has two writers")
    nics = [nic for vm in cloud[vms] for nic in vm.nics]
    _once((nic.mac for nic in nics), "two cards have one MAC address")
    _once(((n.network_id, ip) for n in nics for ip in addresses_of(n)), "one address is had twice")
    public = ((one.zone_id, one.address) for one in cloud[public_ip_addresses])
    _once(public, "one public address is had twice")
    vlans = [(one.physical_network_id, one.vlan) for one in cloud[networks] if one.vlan]
    _once(vlans, "two networks have one VLAN")
    _once(
        ((v.vm_id, v.device) for v in cloud[volumes] if v.vm_id), "two disks are in one device slot"
    )
    _kept_apart(cloud)
    _pools_at_rest(cloud)


def _kept_apart(cloud: Cloud) -> None:
    """No two guests of a strict anti-affinity group are on one host, or promised one."""
    capacity = cloud.view(Capacity)
    for group in cloud[affinity_groups]:
        if group.kind != APART:
            continue
        hosted = (
            {hold.host_id for hold in capacity.holds_of_vm(vm.id)}
            for vm in cloud[vms].by("account_id", group.account_id)
            if group.id in vm.affinity_group_ids
        )
        _once((one for held in hosted for one in held), f"group {group.name} shares a host")


def _pools_at_rest(cloud: Cloud) -> None:
    """Nothing runs from a pool in maintenance, as the log says it."""
    for pool in cloud[storage_pools]:
        if pool.state is PoolState.MAINTENANCE:
            users = {v.vm_id for v in cloud[volumes].by("pool_id", pool.id)} - {None}
            alive = [vm.name for vm in cloud[vms] if vm.id in users and vm.host_id is not None]
            assert not alive, f"{alive} run from pool {pool.name}, which is in maintenance"


def _once(things: Any, law: str) -> None:
    twice = [thing for thing, count in Counter(things).items() if count > 1]
    assert not twice, f"{law}: {twice}"


def no_bugs(recorded: Recorded) -> None:
    """A step failed in a way that no contract allows."""
    error, text = (getattr(recorded.event, name, "") for name in ("error", "text"))
    assert error != "Bug", f"position {recorded.position}, job {recorded.stream}: {text}"


async def at_peace(bed: Bed, world: SimWorld, tenants: Tenants) -> None:
    """Everything is healed, swept and mended: the log and the world agree in all things."""
    cloud = bed.engine.cloud
    always(cloud, world)
    for host in cloud[hosts]:
        assert host.state is HostState.UP, f"host {host.name} is {host.state}"
        assert host.job_id is None, f"host {host.name} is kept by job {host.job_id}"
    for pool in cloud[storage_pools]:
        assert pool.state is PoolState.UP, f"pool {pool.name} is {pool.state}"
        assert pool.job_id is None, f"pool {pool.name} is kept by job {pool.job_id}"
    for cluster in cloud[clusters]:
        assert cluster.rolling_id is None, f"cluster {cluster.name} is closed by what is over"
    wrong = [one.text for one in cloud[findings] if one.finding not in LET_BE]
    assert not wrong, wrong
    await judge(SimpleNamespace(cloud=cloud, sim=SimpleNamespace(world=world), history=bed.history))
    nothing_dangles(cloud)
    _sums(cloud, world)
    _counts(cloud)
    _numbers(cloud)
    places.hold(cloud)
    _indexes(cloud)
    _as_told(cloud, world)
    _routed(cloud, world)
    for run_id in tenants.accepted:
        try:
            row = await bed.history.run(run_id)
        except NotFound:
            raise AssertionError(f"job {run_id} was acknowledged and is gone") from None
        assert row.state.is_over, f"job {run_id} was acknowledged and is {row.state}"


def _counts(cloud: Cloud) -> None:
    """What everybody is charged with is what there is, and nothing is promised any more."""
    counts = cloud.view(Counts)
    told = counts.encode()
    assert not counts._promises and not counts._promised, "something is promised for ever"
    counts._recount()
    assert counts.encode() == told, "counts are not the sums of the rows"


def _indexes(cloud: Cloud) -> None:
    """A list that asks for a value of an index has just the rows that have the value."""
    for kind, spec in TABLES.items():
        rows = list(cloud.table(kind))
        for name in spec.indexed:
            wanted: dict[Any, list[UUID]] = {}
            for row in rows:
                value = getattr(row, name)
                if value or name not in spec.seldom:
                    wanted.setdefault(value, []).append(row.id)
            for value, ids in wanted.items():
                found = [row.id for row in cloud.table(kind).by(name, value)]
                assert sorted(found) == sorted(ids), f"{kind} by {name} {value}: {found}, not {ids}"


def _sums(cloud: Cloud, world: SimWorld) -> None:
    """What is held is what the guests and volumes need, host by host and pool by pool."""
    capacity, space = cloud.view(Capacity), cloud.view(Space)
    for host in cloud[hosts]:
        here = [vm for vm in cloud[vms] if vm.host_id == host.id]
        needed = (
            sum(vm.cpu_count * vm.cpu_mhz for vm in here),
            sum(vm.memory_mib for vm in here),
        )
        held = capacity.hosts.used(capacity.hosts.numbered[host.id.int])
        assert held == needed, f"{host.name}: held {held}, needed {needed}"
        url = host.url.partition("?")[0]
        strangers = [one for one in world.guests.get(url, {}).values() if one.guest_id is None]
        others = sum(guest.memory_mib for guest in strangers if guest.power is not Power.OFF)
        used = world.memory_used_mib(url)
        assert used == needed[1] + others, f"{host.name}: guests have {used} MiB, not {needed[1]}"
        assert needed[1] <= host.memory_bytes // MIB, f"{host.name} is overfull"
    for pool in cloud[storage_pools]:
        kept_here = (*cloud[volumes], *cloud[snapshots])
        needed_bytes = sum(one.size_bytes for one in kept_here if one.pool_id == pool.id)
        held_bytes = space.pools[pool.id].used_bytes
        assert held_bytes == needed_bytes, f"{pool.name}: held {held_bytes}, needed {needed_bytes}"


def _numbers(cloud: Cloud) -> None:
    """Each card, public address and network holds just the numbers that its row shows."""
    numbers: dict[UUID, list[int]] = {}
    for taken in cloud.view(Addresses).holds.values():
        numbers.setdefault(taken.holder, []).append(taken.number)

    def held(holder: UUID) -> list[int]:
        return sorted(numbers.get(holder, ()))

    for vm in cloud[vms]:
        for nic in vm.nics:
            shown = [int(nic.mac.replace(":", ""), 16)]
            shown += [int(IPv4Address(one)) for one in addresses_of(nic)]
            assert held(nic.id) == sorted(shown), f"card {nic.id} of {vm.name} holds {held(nic.id)}"
    for router in cloud[routers]:
        shown = [int(IPv4Address(router.guest_ip))] if has_own_address(cloud, router) else []
        assert held(router.id) == shown, f"router {router.name} holds {held(router.id)}"
    for row in cloud[public_ip_addresses]:
        assert held(row.id) == [int(IPv4Address(row.address))], f"{row.address} is not held"
    for network in cloud[networks]:
        shown = [network.vlan] if holds_its_vlan(cloud, network) else []
        assert held(network.id) == shown, f"network {network.name} holds {held(network.id)}"


def _routed(cloud: Cloud, world: SimWorld) -> None:
    """Each router that should run is on one host, is what the log says of it, and no other is."""
    there = {
        (url, router_id): row
        for url, held in world.routers.items()
        for router_id, row in held.items()
    }
    known = {
        (cloud[hosts][one.host_id].url.partition("?")[0], one.router_id)
        for one in cloud[router_places]
    }
    assert there.keys() == known, f"routers run, or are known, and not both: {there.keys() ^ known}"
    wanted = {one.id for one in cloud[routers] if is_wanted(one, cloud)}
    assert sorted(one for _, one in there) == sorted(wanted), "a router is missing, or one too many"
    for row in there.values():
        router = cloud[routers][row.spec.router_id]
        drawn = picture(cloud, router, "Simulator").spec
        assert row.spec == drawn, f"{router.name} is otherwise"
        domains = dict(frame_of(drawn.nets))
        leases = {one.nic_id: one for vm in cloud[vms] for one in leases_of(vm, domains)}
        assert row.leases == leases, f"{router.name} has other leases: {row.leases}, not {leases}"


def _as_told(cloud: Cloud, world: SimWorld) -> None:
    """A guest that runs has the disks, cards and size that the log says; a disk, what it keeps."""
    for guest in world.residue().guests:
        vm = cloud[vms].get(guest.guest_id)
        if vm is None or guest.power is not Power.RUNNING:
            continue
        disks = {disk.id for disk in cloud[volumes].by("vm_id", vm.id)}
        disks |= {vm.iso_id} & {iso.id for iso in cloud[isos]}
        # A disc that was deleted stays in its drive until the guest starts again.
        has = {disk.volume_id for disk in guest.disks} - ({vm.iso_id} - disks)
        assert has == disks, f"{vm.name} has disks {has - disks}, and not {disks - has}"
        paths = {v.id: v.path for v in cloud[volumes].by("vm_id", vm.id)}
        wrong = [d.path for d in guest.disks if paths.get(d.volume_id, d.path) != d.path]
        assert not wrong, f"{vm.name} runs from {wrong}"
        assert {n.mac for n in guest.nics} == {n.mac for n in vm.nics}, f"{vm.name}: other cards"
        size = (guest.cpu_count, guest.memory_mib)
        assert size == (vm.cpu_count, vm.memory_mib), f"{vm.name} has another size: {size}"
    kept = Counter((kept_id, d.volume_id) for d in world.residue().disks for kept_id, _ in d.kept)
    known = Counter((s.id, disk) for s in cloud[vm_snapshots] for disk in s.volume_ids)
    apart = (kept - known) + (known - kept)
    assert not apart, f"kept in disks, or known, and not both: {apart}"
