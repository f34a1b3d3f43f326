"""Examples of the sagas that take over and let go of guests."""

from __future__ import annotations

from engine.intents.adopt import AdoptDisk, AdoptNic, AdoptVm, UnmanageVm
from tests.sagas.rig import Rig
from tests.sagas.seed import (
    ACCOUNT,
    DOMAIN,
    GIB,
    HOSTS,
    NETWORK,
    OFFERING,
    POOL,
    TEMPLATE,
    ZONE,
    named,
    running,
)

MAC = "52:54:00:12:34:56"


async def _adopt(rig: Rig) -> object:
    disk = rig.sim.world.add_stray_disk("sim://pool", "theirs.qcow2", size_bytes=GIB)
    rig.sim.world.add_stranger("sim://host1", "theirs", disks=(disk,), macs=(MAC,))
    return AdoptVm(
        vm_id=named("adopted"), account_id=ACCOUNT, domain_id=DOMAIN, user_id=None, zone_id=ZONE,
        host_id=HOSTS[0], stranger="theirs", template_id=TEMPLATE, service_offering_id=OFFERING,
        name="theirs", display_name="theirs", hypervisor="Simulator", cpu_count=1, cpu_mhz=500,
        memory_mib=512,
        disks=[
            AdoptDisk(
                volume_id=named("adopted disk"), name="ROOT-theirs", device=0, size_bytes=GIB,
                path=disk.path, pool_id=POOL,
            )
        ],
        nics=[AdoptNic(nic_id=named("adopted nic"), network_id=NETWORK, mac=MAC)],
    )  # fmt: skip


async def _unmanage(rig: Rig) -> object:
    return UnmanageVm(vm_id=await running(rig))


EXAMPLES = {"vm.adopt:1": _adopt, "vm.unmanage:1": _unmanage}
