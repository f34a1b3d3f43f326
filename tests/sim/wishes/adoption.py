"""Guests that are let go of while they run, and taken over again under another id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aggregates.vm import VmState
from benchmarks.cloud import OFFERING
from drivers.contract.compute import Power
from drivers.sim.rows import SimGuest
from engine.genesis import BUILTIN_TEMPLATE
from engine.intents.adopt import AdoptDisk, AdoptNic, AdoptVm, UnmanageVm
from projections.host import hosts
from projections.macs import let_go_of
from projections.network import Network, networks
from projections.storage_pool import storage_pools
from projections.vm import vms
from tests.sim.place import MEDIUM, STANDS
from tests.sim.wishes import wish

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

MHZ = {512: 500, 1024: 1000}


@wish(1, operator=True)
def unmanage_vm(who: Tenants) -> object | None:
    vm = who.vm(VmState.RUNNING)
    return vm and UnmanageVm(vm_id=vm.id)


@wish(3, operator=True)
def adopt_vm(who: Tenants) -> object | None:
    """A stranger whose host is one of the cloud's, and whose cards nobody has."""
    network, macs = who.one(networks), {nic.mac for vm in who.cloud[vms] for nic in vm.nics}
    here = {pool.url for pool in who.cloud[storage_pools]}
    host_ids = {host.url: host.id for host in who.cloud[hosts]}
    found = [
        guest
        for guest in who.world.residue().guests
        if guest.guest_id is None and guest.power is Power.RUNNING and guest.host in host_ids
        if not macs & {nic.mac for nic in guest.nics}
    ]
    if network is None or not found:
        return None
    guest = who.pick(*found)
    pools = {disk.path.rpartition("/")[0] for disk in guest.disks if not disk.is_cdrom}
    if STANDS[guest.host][0] != network.zone_id or not pools <= here:
        return None
    return AdoptVm(
        vm_id=who.new_id(), account_id=network.account_id, domain_id=network.domain_id,
        user_id=None, zone_id=network.zone_id, host_id=host_ids[guest.host], stranger=guest.name,
        template_id=BUILTIN_TEMPLATE,
        service_offering_id=OFFERING if guest.memory_mib == 512 else MEDIUM,
        name=who.name("adopted"), display_name="adopted", hypervisor="Simulator",
        cpu_count=guest.cpu_count, cpu_mhz=MHZ[guest.memory_mib], memory_mib=guest.memory_mib,
        disks=list(_disks(who, guest)),
        nics=[_card(who, network, nic.mac) for nic in guest.nics],
    )  # fmt: skip


def _card(who: Tenants, network: Network, mac: str) -> AdoptNic:
    """Under the id that it had when it was let go of."""
    back = let_go_of(who.cloud, network.zone_id, mac)
    return AdoptNic(
        nic_id=back or who.new_id(), network_id=network.id, mac=mac, is_back=back is not None
    )


def _disks(who: Tenants, guest: SimGuest) -> Iterator[AdoptDisk]:
    """Those that are written to, in the order of their slots."""
    pool_ids = {pool.url: pool.id for pool in who.cloud[storage_pools]}
    for disk in sorted(guest.disks, key=lambda one: one.device):
        if disk.is_cdrom:
            continue
        pool, _, file = disk.path.rpartition("/")
        size_bytes = who.world.disks[pool][file].size_bytes
        yield AdoptDisk(
            volume_id=who.new_id(), name=who.name("found"), device=disk.device,
            size_bytes=size_bytes, path=disk.path, pool_id=pool_ids[pool],
        )  # fmt: skip
