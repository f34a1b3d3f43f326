"""That what is somewhere can be there: guests where their disks and addresses are, and are let."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from aggregates.vm import Nic, Vm
from engine.dedication import hosts_of, serves
from engine.ip_rules import addresses_of
from projections.addresses import Addresses, address_spaces
from projections.cloud import Cloud
from projections.cluster import clusters
from projections.dedication import dedications
from projections.host import hosts
from projections.network import networks
from projections.pod import pods
from projections.space import Space
from projections.storage_pool import is_reached, storage_pools
from projections.vlan_ip_range import space_of, vlan_ip_ranges
from projections.vm import vms
from projections.volume import volumes


def hold(cloud: Cloud) -> None:
    for vm in cloud[vms]:
        _reaches_its_disks(cloud, vm)
        _may_be_there(cloud, vm)
        for nic in vm.nics:
            _is_on_its_network(cloud, vm, nic)
    _ranges_are_apart(cloud)
    _promised_by_what_is_there(cloud)
    for host in cloud[hosts]:
        cluster, pod = cloud[clusters][host.cluster_id], cloud[pods][host.pod_id]
        place = (cluster.pod_id, pod.zone_id, cluster.zone_id)
        assert place == (pod.id, host.zone_id, host.zone_id), f"{host.name} is in two places"


def open_to_all(cloud: Cloud) -> list[str]:
    """The URLs of the hosts that are kept for nobody."""
    kept = {host.id for one in cloud[dedications] for host in hosts_of(cloud, one)}
    return sorted(host.url for host in cloud[hosts] if host.id not in kept)


def _may_be_there(cloud: Cloud, vm: Vm) -> None:
    """No guest runs where a place is kept for others."""
    for one in cloud[dedications]:
        if any(host.id == vm.host_id for host in hosts_of(cloud, one)):
            assert serves(cloud, one, vm.account_id), f"{vm.name} runs in what is kept for others"


def _reaches_its_disks(cloud: Cloud, vm: Vm) -> None:
    host = cloud[hosts].get(vm.host_id)
    for disk in cloud[volumes].by("vm_id", vm.id):
        assert disk.zone_id == vm.zone_id, f"{vm.name} has disk {disk.name} of another zone"
        pool = cloud[storage_pools].get(disk.pool_id)
        if pool is not None and host is not None:
            reached = is_reached(pool, host)
            assert reached, f"{vm.name} runs on {host.name}, which has no {pool.name}"


def _is_on_its_network(cloud: Cloud, vm: Vm, nic: Nic) -> None:
    """Each address is of a range of the network, and in a Basic zone of the pod it runs in."""
    network, host = cloud[networks][nic.network_id], cloud[hosts].get(vm.host_id)
    assert network.zone_id == vm.zone_id, f"{vm.name} is on {network.name} of another zone"
    spaces = list(cloud[address_spaces].by("network_id", network.id))
    for address in addresses_of(nic):
        number = int(IPv4Address(address))
        of = [one for one in spaces if one.first <= number <= one.last]
        assert len(of) == 1, f"{vm.name} has {address}, which {len(of)} ranges of its network have"
        pod_id = of[0].pod_id
        here = host is None or pod_id in (None, host.pod_id)
        assert here, f"{vm.name} runs in a pod where nobody finds {address}"
        subnet = IPv4Interface(f"{nic.gateway}/{nic.netmask}").network
        assert IPv4Address(address) in subnet, f"{vm.name} has {address} of another subnet"
        assert address != nic.gateway, f"{vm.name} has the address of its gateway"


def _ranges_are_apart(cloud: Cloud) -> None:
    """No number is given out by two ranges."""
    known = list(cloud[address_spaces])
    for number, one in enumerate(known):
        for other in known[number + 1 :]:
            same = _gives(one) == _gives(other)
            apart = not same or one.last < other.first or other.last < one.first
            assert apart, f"ranges {one.id} and {other.id} give out the same numbers"
    for row in cloud[vlan_ip_ranges]:
        space = cloud[address_spaces][space_of(row.id)]
        ends = int(IPv4Address(row.start_ip)), int(IPv4Address(row.end_ip))
        assert (space.first, space.last) == ends, f"range {row.id} gives out other addresses"
        assert space.network_id == row.network_id, f"range {row.id} is of another network"


def _gives(space: Any) -> tuple[Any, ...]:
    """What two ranges have in common that must not overlap."""
    if space.purpose == "mac":
        return (space.purpose,)
    return space.purpose, space.zone_id, space.network_id, space.physical_network_id


def _promised_by_what_is_there(cloud: Cloud) -> None:
    """No ledger has a promise of a place that is gone."""
    spaces, pools = cloud[address_spaces], cloud[storage_pools]
    gone = {
        one.space_id for one in cloud.view(Addresses).holds.values() if one.space_id not in spaces
    }
    assert not gone, f"numbers are held of ranges that are gone: {gone}"
    space = cloud.view(Space)
    full = [one.id for one in space.pools.values() if one.used_bytes and one.id not in pools]
    assert not full, f"room is held in pools that are gone: {full}"
    serving = {one.id for one in space.pools.values() if one.supply is not None}
    assert serving == {pool.id for pool in pools}, "what offers room is not what there is"
