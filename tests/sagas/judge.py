"""Judges what a cloud has come to: the log against the world, promises against what is there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.image import ImageState
from aggregates.snapshot import SnapshotState
from aggregates.vm import TRANSITIONAL
from aggregates.vm_life import VmUnmanaged
from aggregates.volume import VolumeState
from drivers.contract.compute import Power
from projections.addresses import Addresses, address_spaces
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.host import hosts
from projections.network import Network, networks
from projections.private_gateway import private_gateways
from projections.public_ip_address import public_ip_addresses
from projections.router import Router, routers
from projections.saga import RunState, saga_runs
from projections.snapshot import snapshots
from projections.space import Space
from projections.storage_pool import storage_pools
from projections.upload import uploads
from projections.vm import vms
from projections.volume import volumes
from tests.sagas.rig import Rig

STEADY = (
    VolumeState.ALLOCATED,
    VolumeState.READY,
    VolumeState.DESTROY,
    VolumeState.UPLOADED,
    VolumeState.UPLOAD_ERROR,
)
# What stays by design, and says why, when no image could be had for it.
FAILED = (ImageState.FAILED, VolumeState.UPLOAD_ERROR)
PASSING = {
    "id",
    "version",
    "before",
    "created_at_ms",
    "state_at_ms",
    "attached_at_ms",
    "disconnected_at_ms",
}


async def judge(rig: Rig) -> None:
    """Everything that must hold whenever no saga is at work."""
    _nothing_stuck(rig)
    _guests(rig)
    _disks(rig)
    _promises(rig, await _let_go_of(rig))
    assert (await rig.history.rebuild()).digest() == rig.cloud.digest(), "rebuild differs"


def _nothing_stuck(rig: Rig) -> None:
    live = {row.id for row in rig.cloud[saga_runs] if not row.state.is_over}
    parked = {row.id for row in rig.cloud[saga_runs].by("state", RunState.PARKED)}
    assert live <= parked, "a saga is still at work"
    for vm in rig.cloud[vms]:
        assert vm.job_id is None or vm.job_id in parked, f"{vm.name} waits for a job that is over"
        assert vm.state not in TRANSITIONAL or vm.job_id in parked, f"{vm.name} is {vm.state}"
    awaited = {upload.thing_id for upload in rig.cloud[uploads]}
    for volume in rig.cloud[volumes]:
        if volume.state is VolumeState.AWAITED and volume.id in awaited:
            continue
        assert volume.state in STEADY or volume.job_id in parked, f"{volume.name}: {volume.state}"
    for snapshot in rig.cloud[snapshots]:
        is_at_rest = snapshot.state is SnapshotState.BACKED_UP
        assert is_at_rest or snapshot.job_id in parked, f"{snapshot.name}: {snapshot.state}"


def _guests(rig: Rig) -> None:
    url_of = {host.id: host.url.partition("?")[0] for host in rig.cloud[hosts]}
    known = {
        (vm.id, url_of[vm.host_id]) for vm in rig.cloud[vms] if vm.host_id and vm.job_id is None
    }
    real = {
        (guest.guest_id, guest.host)
        for guest in rig.sim.world.residue().guests
        if guest.power is not Power.OFF and guest.guest_id is not None
    }
    assert real == known, f"guests that the log does not know, or the reverse: {real ^ known}"
    ours = [g for g in rig.sim.world.residue().guests if g.guest_id is not None]
    left = [g for g in ours if g.guest_id not in {v for v, _ in known}]
    assert not left, f"left on hosts: {left}"


def _disks(rig: Rig) -> None:
    url_of = {pool.id: pool.url for pool in rig.cloud[storage_pools]}
    known = {(v.id, url_of[v.pool_id], v.size_bytes) for v in rig.cloud[volumes] if v.pool_id}
    known |= {(s.id, url_of[s.pool_id], s.size_bytes) for s in rig.cloud[snapshots]}
    there = rig.sim.world.residue().disks
    real = {
        (known_as, d.pool, d.size_bytes)
        for d in there
        if (known_as := d.volume_id or d.snapshot_id) is not None
    }
    assert real == known, f"disks that the log does not know, or the reverse: {real ^ known}"


def has_own_address(cloud: Cloud, router: Router) -> bool:
    """Has it an address among guests'? That of an isolated network is its gateway."""
    network = cloud[networks].get(router.network_id)
    is_shared = network is not None and network.guest_ip_type == "Shared"
    return is_shared or router.role == "INTERNAL_LB_VM"


def _promises(rig: Rig, let_go_of: set[UUID]) -> None:
    capacity, space = rig.cloud.view(Capacity), rig.cloud.view(Space)
    addresses = rig.cloud.view(Addresses)
    held = {hold for vm in rig.cloud[vms] for hold in vm.holds}
    promised = {one.hold for one in capacity.holds.values()}
    assert promised == held, "capacity is held for no guest, or the reverse"
    rooms = {hold for volume in rig.cloud[volumes] for hold in volume.holds}
    rooms |= {snapshot.hold for snapshot in rig.cloud[snapshots]}
    kept = {one.hold for one in space.holds.values()}
    assert kept == rooms, "room is held for no volume, or the reverse"
    holders = {taken.holder for taken in addresses.holds.values()}
    cards = {nic.id for vm in rig.cloud[vms] for nic in vm.nics}
    wires = {network.id for network in rig.cloud[networks] if holds_its_vlan(rig.cloud, network)}
    public = {row.id for row in rig.cloud[public_ip_addresses]}
    gateways = {row.id for row in rig.cloud[private_gateways] if row.associated_network_id}
    inside = {router.id for router in rig.cloud[routers] if has_own_address(rig.cloud, router)}
    known = cards | wires | public | gateways | inside | (holders & let_go_of)
    assert holders == known, f"addresses are held for nothing, or the reverse: {holders ^ known}"
    for fold in (capacity, space, addresses):
        assert not fold.pendings.takes, "a promise is neither kept nor given back"
        assert not fold.pendings.frees, "a promise is being given back for ever"


def holds_its_vlan(cloud: Cloud, network: Network) -> bool:
    """Whether its VLAN is one that its wires give out; what is none of theirs is nobody's."""
    wires = cloud[address_spaces].by("physical_network_id", network.physical_network_id)
    vlan = network.vlan or 0
    return any(one.purpose == "vlan" and one.first <= vlan <= one.last for one in wires)


async def _let_go_of(rig: Rig) -> set[UUID]:
    """The cards of guests that were let go of, whose MACs nobody else gets."""
    log, cards = rig.history._log, set[UUID]()
    for gone in await log.outline([VmUnmanaged.TOPIC], 0, await log.position()):
        life = [one.event for one in await log.read_stream(gone.stream)]
        cards |= {nic.id for nic in [one.nics for one in life if hasattr(one, "nics")][-1]}
    return cards


def picture(rig: Rig) -> dict[str, dict[UUID, Any]]:
    """What a user would say of the cloud: every row, less what any change moves on.

    A template or volume that no image could be had for stays by design; it is left out.
    """
    tables = (
        "vm",
        "volume",
        "network",
        "host",
        "storage_pool",
        "template",
        "account",
        "user",
        "snapshot",
    )
    return {
        kind: {
            row.id: {n: getattr(row, n) for n in row.__struct_fields__ if n not in PASSING}
            for row in rig.cloud.table(kind)
            if getattr(row, "state", "") not in FAILED
        }
        for kind in tables
    }
