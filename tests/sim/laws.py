"""What must hold: at every moment of a run, and when all is healed. Independent of the engine.

The judges of `tests/sagas/judge.py` are asked as well; these add what only shows in a whole cloud.
Nothing here trusts a fold where it can count from the rows and the world themselves.
"""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

from aggregates.base import Recorded
from aggregates.errors import NotFound
from aggregates.host import HostState
from benchmarks.cloud import Bed
from drivers.contract.compute import Power
from drivers.sim import SimWorld
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.counts import Counts
from projections.finding import findings
from projections.host import hosts
from projections.network import networks
from projections.space import Space
from projections.storage_pool import storage_pools
from projections.vm import vms
from projections.volume import volumes
from tests.sagas.judge import judge
from tests.sim.tenants import Tenants

ALIVE = (Power.RUNNING, Power.PAUSED)
MIB = 1024**2


def always(cloud: Cloud, world: SimWorld) -> None:
    """Safety: what not even the worst moment excuses."""
    alive = [guest for guest in world.residue().guests if guest.power in ALIVE]
    _once((guest.guest_id for guest in alive), "a guest runs on two hosts")
    _once((disk.volume_id for guest in alive for disk in guest.disks), "a disk has two writers")
    nics = [nic for vm in cloud[vms] for nic in vm.nics]
    _once((nic.mac for nic in nics), "two cards have one MAC address")
    _once(((n.network_id, n.ip4) for n in nics if n.ip4), "two cards have one address")
    vlans = [network.vlan for network in cloud[networks] if network.vlan]
    _once(vlans, "two networks have one VLAN")
    _once(
        ((v.vm_id, v.device) for v in cloud[volumes] if v.vm_id), "two disks are in one device slot"
    )


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
    assert not list(cloud[findings]), [one.text for one in cloud[findings]]
    await judge(SimpleNamespace(cloud=cloud, sim=SimpleNamespace(world=world), history=bed.history))
    _sums(cloud, world)
    _counts(cloud)
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
    counts.restore(told)
    assert counts.encode() == told, "counts are not the sums of the rows"


def _sums(cloud: Cloud, world: SimWorld) -> None:
    """What is held is what the guests and volumes need, host by host and pool by pool."""
    capacity, space = cloud.view(Capacity), cloud.view(Space)
    for host in cloud[hosts]:
        here = [vm for vm in cloud[vms] if vm.host_id == host.id]
        needed = (
            sum(vm.cpu_count * vm.cpu_mhz for vm in here),
            sum(vm.memory_mib for vm in here),
        )
        held = capacity.hosts.used(capacity.hosts.slots[host.id])
        assert held == needed, f"{host.name}: held {held}, needed {needed}"
        assert world.memory_used_mib(host.url.partition("?")[0]) == needed[1]
        assert needed[1] <= host.memory_bytes // MIB, f"{host.name} is overfull"
    for pool in cloud[storage_pools]:
        needed_bytes = sum(v.size_bytes for v in cloud[volumes] if v.pool_id == pool.id)
        held_bytes = space.pools[pool.id].used_bytes
        assert held_bytes == needed_bytes, f"{pool.name}: held {held_bytes}, needed {needed_bytes}"
